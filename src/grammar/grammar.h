// Context-free grammars over bytes: which texts may be written.
#pragma once

#include <bitset>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

// Scalar values from `first` to `last`, both included.
struct CodePoints {
  char32_t first, last;
};

// Built of nodes, each a language; a node is known by its number. Every
// function throws Error when the grammar becomes absurdly large.
class Grammar {
 public:
  using Node = int32_t;
  using Bytes = std::bitset<256>;
  static constexpr int32_t kUnlimited = -1;

  Node bytes(const Bytes& any_of);
  Node literal(std::string_view text);
  Node sequence(std::vector<Node> parts);
  Node choice(std::vector<Node> alternatives);
  Node repeat(Node part, int32_t least, int32_t most);
  Node optional(Node part) { return repeat(part, 0, 1); }
  // One of these texts. Their common beginnings are read once, so there may be
  // thousands.
  Node any_of(std::vector<std::string> texts);
  // One character in UTF-8, of any of the ranges, which are split where the
  // bytes of their encodings are ranges themselves (Cox, "Regular Expression
  // Matching in the Wild", 2010). Surrogates are left out.
  Node characters(std::span<const CodePoints> any_of);

  // For languages that hold themselves: a rule may be used before it is
  // defined. One that begins with itself has no text.
  Node rule();
  void define(Node rule, Node as);

  // For each node whether its language has a text at all.
  std::vector<bool> productive() const;

  void set_root(Node node) { root_ = node; }
  Node root() const { return root_; }

  enum class Kind : uint8_t { bytes, sequence, choice, repeat, rule };
  struct NodeData {
    Kind kind;
    std::vector<Node> children = {};  // one of a repeat and of a rule
    int32_t least = 0, most = 0;      // of a repeat
    Bytes any_of = {};                // of bytes
  };
  const NodeData& operator[](Node node) const {
    return nodes_[static_cast<size_t>(node)];
  }

 private:
  Node add(NodeData data);
  std::vector<NodeData> nodes_;
  std::vector<Node> of_one_byte_ = std::vector<Node>(256, -1);
  Node root_ = -1;
};

}  // namespace seodang
