#include "tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/json_object.h"

namespace seodang {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using Behavior = PreTokenizer::Behavior;

// GPT-2's split, which ByteLevel makes by itself when use_regex is set.
constexpr const char* kGpt2Pattern =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"
    "\\s+(?!\\S)|\\s+";

Behavior read_behavior(const JsonObject& part) {
  const std::pair<const char*, Behavior> names[] = {
      {"Isolated", Behavior::isolated},
      {"Removed", Behavior::removed},
      {"MergedWithPrevious", Behavior::merged_with_previous},
      {"MergedWithNext", Behavior::merged_with_next},
      {"Contiguous", Behavior::contiguous}};
  for (const auto& [name, behavior] : names)
    if (part.text("behavior") == name) return behavior;
  throw Error("{}: behavior = {} is not supported", part.where(),
              shown(part.value("behavior")));
}

struct Piece {
  size_t begin, end;
  bool is_match;
};

// Joins each match to the piece before it, unless that is a match too.
std::vector<Piece> merge_with_previous(const std::vector<Piece>& pieces) {
  std::vector<Piece> out;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const bool joins = i > 0 && pieces[i].is_match && !pieces[i - 1].is_match;
    if (joins)
      out.back().end = pieces[i].end;
    else
      out.push_back(pieces[i]);
  }
  return out;
}

std::vector<Piece> merge_with_next(const std::vector<Piece>& pieces) {
  std::vector<Piece> out;
  for (size_t i = pieces.size(); i-- > 0;) {
    const bool joins =
        i + 1 < pieces.size() && pieces[i].is_match && !pieces[i + 1].is_match;
    if (joins)
      out.back().begin = pieces[i].begin;
    else
      out.push_back(pieces[i]);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Piece> merge_equals(const std::vector<Piece>& pieces) {
  std::vector<Piece> out;
  for (const Piece& piece : pieces)
    if (!out.empty() && out.back().is_match == piece.is_match)
      out.back().end = piece.end;
    else
      out.push_back(piece);
  return out;
}

std::vector<Piece> rejoin(Behavior behavior, const std::vector<Piece>& pieces) {
  switch (behavior) {
    case Behavior::merged_with_previous:
      return merge_with_previous(pieces);
    case Behavior::merged_with_next:
      return merge_with_next(pieces);
    case Behavior::contiguous:
      return merge_equals(pieces);
    case Behavior::isolated:
    case Behavior::removed:
      break;
  }
  return pieces;
}

}  // namespace

PreTokenizer::Stage PreTokenizer::split_stage(const JsonObject& part) {
  part.only_keys({"type", "pattern", "behavior", "invert"});
  return {.change = nullptr,
          .pattern = {read_pattern(part)},
          .behavior = read_behavior(part),
          .invert = part.flag("invert", false)};
}

PreTokenizer::Stage PreTokenizer::metaspace_stage(const JsonObject& part) {
  part.only_keys({"type", "replacement", "prepend_scheme", "split",
                  "add_prefix_space", "str_rep"});
  part.only_values("prepend_scheme",
                   {R"("always")", R"("first")", R"("never")"});
  std::string scheme = part.text_or("prepend_scheme", "always");
  if (!part.flag("add_prefix_space", true)) scheme = "never";
  const std::string& mark = part.text("replacement");
  Stage stage;
  stage.change = [mark, scheme, space = Regex::literal(" ")](
                     std::string_view text, Follows follows) {
    std::string changed = space.replace(text, mark);
    const bool prepends = (scheme == "always" && follows != Follows::text) ||
                          (scheme == "first" && follows == Follows::nothing);
    if (prepends && !changed.starts_with(mark)) changed.insert(0, mark);
    return changed;
  };
  if (part.flag("split", true)) {
    stage.pattern = {Regex::literal(mark)};
    stage.behavior = Behavior::merged_with_next;
  }
  return stage;
}

PreTokenizer::Stage PreTokenizer::byte_level_stage(const JsonObject& part) {
  part.only_keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  Stage stage;
  if (part.flag("add_prefix_space", true))
    stage.change = [](std::string_view text, Follows follows) {
      return text.starts_with(' ') || follows == Follows::text
                 ? std::string(text)
                 : " " + std::string(text);
    };
  if (part.flag("use_regex", true)) stage.pattern = {Regex(kGpt2Pattern)};
  return stage;
}

void PreTokenizer::read(const JsonObject& part) {
  if (byte_level_)
    throw Error("pre_tokenizer: nothing may follow \"ByteLevel\"");
  const std::string& type = part.type();
  if (type == "Sequence") {
    part.only_keys({"type", "pretokenizers"});
    for (const json& step : part.list("pretokenizers"))
      read(JsonObject::typed(step, "pre_tokenizer"));
  } else if (type == "Split") {
    stages_.push_back(split_stage(part));
  } else if (type == "Digits") {
    part.only_keys({"type", "individual_digits"});
    Stage& stage = stages_.emplace_back();
    stage.pattern = {Regex("\\p{N}")};
    if (!part.flag("individual_digits", false))
      stage.behavior = Behavior::contiguous;
  } else if (type == "Metaspace") {
    stages_.push_back(metaspace_stage(part));
  } else if (type == "ByteLevel") {
    Stage stage = byte_level_stage(part);
    if (stage.change || !stage.pattern.empty())
      stages_.push_back(std::move(stage));
    byte_level_ = true;
  } else {
    part.refuse();
  }
}

PreTokenizer::PreTokenizer(const std::string& text) {
  if (const json value = json::parse(text); !value.is_null())
    read(JsonObject::typed(value, "pre_tokenizer"));
}

template <class F>
void PreTokenizer::cut(const Stage& stage, std::string_view text, F&& piece) {
  size_t done = 0;
  if (stage.behavior == Behavior::isolated) {
    stage.pattern[0].for_each_match(text, [&](size_t begin, size_t end) {
      piece(text.substr(done, begin - done));
      piece(text.substr(begin, end - begin));
      done = end;
    });
    piece(text.substr(done));
    return;
  }
  std::vector<Piece> pieces;
  stage.pattern[0].for_each_match(text, [&](size_t begin, size_t end) {
    if (done < begin) pieces.push_back({done, begin, stage.invert});
    pieces.push_back({begin, end, !stage.invert});
    done = end;
  });
  if (done < text.size()) pieces.push_back({done, text.size(), stage.invert});
  for (const auto& [begin, end, is_match] : rejoin(stage.behavior, pieces))
    if (!is_match || stage.behavior != Behavior::removed)
      piece(text.substr(begin, end - begin));
}

void PreTokenizer::split_from(size_t index, std::string_view text,
                              Follows follows, const Word& word) const {
  if (text.empty()) return;
  if (index == stages_.size()) return word(text);
  const Stage& stage = stages_[index];
  std::string changed;
  if (stage.change) text = changed = stage.change(text, follows);
  if (stage.pattern.empty()) return split_from(index + 1, text, follows, word);
  // As in Hugging Face's library, each piece of a stage is a beginning to the
  // next, though only the first is the text's.
  cut(stage, text, [&](std::string_view piece) {
    split_from(index + 1, piece,
               piece.data() == text.data() ? follows : Follows::token, word);
  });
}

std::string byte_level_pre_tokenizer(const std::vector<std::string>& patterns) {
  ordered_json steps = ordered_json::array();
  for (const std::string& pattern : patterns)
    steps.push_back({{"type", "Split"},
                     {"pattern", {{"Regex", pattern}}},
                     {"behavior", "Isolated"},
                     {"invert", false}});
  steps.push_back({{"type", "ByteLevel"},
                   {"add_prefix_space", false},
                   {"trim_offsets", true},
                   {"use_regex", false}});
  return ordered_json{{"type", "Sequence"}, {"pretokenizers", steps}}.dump();
}

}  // namespace seodang
