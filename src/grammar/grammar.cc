#include "grammar/grammar.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"

namespace seodang {
namespace {

Grammar::Bytes byte_range(uint8_t first, uint8_t last) {
  Grammar::Bytes out;
  for (int byte = first; byte <= last; ++byte)
    out.set(static_cast<size_t>(byte));
  return out;
}

std::string utf8_of(char32_t scalar) {
  std::string out;
  append_utf8(out, scalar);
  return out;
}

}  // namespace

Grammar::Node Grammar::add(NodeData data) {
  constexpr size_t kMost = 1 << 17;
  if (nodes_.size() >= kMost)
    throw Error("the grammar has more than {} parts", kMost);
  nodes_.push_back(std::move(data));
  return static_cast<Node>(nodes_.size()) - 1;
}

Grammar::Node Grammar::bytes(const Bytes& any_of) {
  return add({.kind = Kind::bytes, .any_of = any_of});
}

Grammar::Node Grammar::literal(std::string_view text) {
  std::vector<Node> parts;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    Node& node = of_one_byte_[byte];
    if (node < 0) node = bytes(byte_range(byte, byte));
    parts.push_back(node);
  }
  return sequence(std::move(parts));
}

Grammar::Node Grammar::sequence(std::vector<Node> parts) {
  if (parts.size() == 1) return parts[0];
  return add({.kind = Kind::sequence, .children = std::move(parts)});
}

Grammar::Node Grammar::choice(std::vector<Node> alternatives) {
  if (alternatives.size() == 1) return alternatives[0];
  return add({.kind = Kind::choice, .children = std::move(alternatives)});
}

Grammar::Node Grammar::repeat(Node part, int32_t least, int32_t most) {
  return add(
      {.kind = Kind::repeat, .children = {part}, .least = least, .most = most});
}

Grammar::Node Grammar::any_of(std::vector<std::string> texts) {
  std::ranges::sort(texts);
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  // What stands behind their first `depth` bytes, which they share.
  const auto rest = [&](auto&& self, std::span<const std::string> some,
                        size_t depth) -> Node {
    // They are sorted: what the first and the last share, all do.
    const std::string& first = some.front();
    const auto end = static_cast<size_t>(
        std::ranges::mismatch(first, some.back()).in1 - first.begin());
    const Node shared =
        literal(std::string_view(first).substr(depth, end - depth));
    if (some.size() == 1) return shared;
    std::vector<Node> alternatives;
    if (first.size() == end) {
      alternatives.push_back(sequence({}));
      some = some.subspan(1);
    }
    while (!some.empty()) {
      size_t count = 1;
      while (count < some.size() && some[count][end] == some[0][end]) ++count;
      alternatives.push_back(self(self, some.first(count), end));
      some = some.subspan(count);
    }
    return sequence({shared, choice(std::move(alternatives))});
  };
  if (texts.empty()) return choice({});
  return rest(rest, texts, 0);
}

Grammar::Node Grammar::characters(std::span<const CodePoints> any_of) {
  // Ranges of scalar values whose encodings have one length and agree in all
  // bytes but a run of full ones behind the first that differs.
  constexpr std::array<CodePoints, 5> kLengths = {{{0, 0x7F},
                                                   {0x80, 0x7FF},
                                                   {0x800, 0xD7FF},
                                                   {0xE000, 0xFFFF},
                                                   {0x10000, 0x10FFFF}}};
  std::vector<Node> alternatives;
  Bytes ascii;
  const auto split = [&](auto&& self, char32_t first, char32_t last) -> void {
    const size_t size = utf8_of(first).size();
    for (size_t tail = 1; tail < size; ++tail) {
      const char32_t mask = (char32_t{1} << (6 * tail)) - 1;
      if ((first & ~mask) == (last & ~mask)) break;
      if ((first & mask) != 0) {
        self(self, first, first | mask);
        return self(self, (first | mask) + 1, last);
      }
      if ((last & mask) != mask) {
        self(self, first, (last & ~mask) - 1);
        return self(self, last & ~mask, last);
      }
    }
    const std::string a = utf8_of(first), b = utf8_of(last);
    std::vector<Node> parts;
    for (size_t i = 0; i < size; ++i)
      parts.push_back(bytes(
          byte_range(static_cast<uint8_t>(a[i]), static_cast<uint8_t>(b[i]))));
    alternatives.push_back(sequence(std::move(parts)));
  };
  for (const CodePoints& range : any_of)
    for (const CodePoints& length : kLengths) {
      const char32_t first = std::max(range.first, length.first);
      const char32_t last = std::min(range.last, length.last);
      if (first > last) continue;
      if (last < 0x80)
        ascii |=
            byte_range(static_cast<uint8_t>(first), static_cast<uint8_t>(last));
      else
        split(split, first, last);
    }
  if (ascii.any()) alternatives.push_back(bytes(ascii));
  return choice(std::move(alternatives));
}

std::vector<bool> Grammar::productive() const {
  std::vector<bool> out(nodes_.size());
  const auto has = [&](Node node) { return out[static_cast<size_t>(node)]; };
  // Parts come before what is made of them, but for rules: few rounds.
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (out[i]) continue;
      const NodeData& node = nodes_[i];
      switch (node.kind) {
        case Kind::bytes:
          out[i] = node.any_of.any();
          break;
        case Kind::sequence:
          out[i] = std::ranges::all_of(node.children, has);
          break;
        case Kind::repeat:
          out[i] = node.least == 0 || has(node.children[0]);
          break;
        case Kind::choice:
        case Kind::rule:
          out[i] = std::ranges::any_of(node.children, has);
      }
      changed = changed || out[i];
    }
  }
  return out;
}

Grammar::Node Grammar::rule() { return add({.kind = Kind::rule}); }

void Grammar::define(Node rule, Node as) {
  nodes_[static_cast<size_t>(rule)].children = {as};
}

}  // namespace seodang
