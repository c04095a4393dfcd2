// Encodes and decodes the lines that references.mjs wrote and tells where
// Seodang differs from Hugging Face's library. Of a chat in the published
// template it tells whether training sees the ids that a chat sends, which are
// those of the text that the template writes.
//
//   compare DIR…       DIR is a model directory, DIR.jsonl its lines
//
// Exits with 1 if anything differs.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tokenizer/encoded_chat.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/turn_format.h"

namespace seodang {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

struct Counts {
  int64_t lines = 0, encoded = 0, ids = 0, texts = 0;

  // Shows the first differences, from shortly before where they begin.
  void tell(const json& line, const char* what, const std::string& expected,
            const std::string& got) const {
    constexpr int64_t kShown = 3;
    constexpr size_t kBefore = 30, kLength = 100;
    if (ids + texts > kShown) return;
    size_t at = 0;
    while (at < expected.size() && at < got.size() && expected[at] == got[at])
      ++at;
    at -= std::min(at, kBefore);
    fmt::print("  {} of {}\n    expected …{}\n    got      …{}\n", what,
               line[0].is_null() ? line[1].dump() : line[0].dump(),
               expected.substr(at, kLength),
               got.substr(std::min(at, got.size()), kLength));
  }

  void add(const Tokenizer& tokenizer, const json& line) {
    ++lines;
    if (line[0].is_string()) {
      ++encoded;
      const json got =
          tokenizer.encode(line[0].get<std::string>(), {.parse_special = true});
      if (got != line[1]) {
        ++ids;
        tell(line, "ids", line[1].dump(), got.dump());
      }
    }
    for (const bool skip : {false, true}) {
      const json got = tokenizer.decode(line[1].get<Ids>(), skip);
      const json& expected = line[skip ? 3 : 2];
      if (got == expected) continue;
      ++texts;
      tell(line, "text", expected.dump(), got.dump());
    }
  }
};

// "same", or what is not.
std::string compare_chat(const Tokenizer& tokenizer) {
  const std::vector<Message> messages = {
      {"user", "대한민국의 수도는?"},
      {"assistant", "서울입니다."},
      {"user", "What is  the capital of France?"},
      {"assistant", "Paris."}};
  const auto name = [&](int32_t id) {
    return id < 0 ? std::string_view() : tokenizer.token_bytes(id);
  };
  const EncodedChat trained = encode_chat(tokenizer, messages);
  for (const size_t turn : {1, 3}) {
    const auto asked = std::span(messages).first(turn);
    const Ids prompt =
        encode_chat(tokenizer, asked, {.add_generation_prompt = true}).tokens;
    const std::string text = render_chat(tokenizer.chat_template(), asked, true,
                                         name(tokenizer.bos_token_id()),
                                         name(tokenizer.eos_token_id()));
    if (prompt != tokenizer.encode(text, {.parse_special = true}))
      return "not the ids of the text";
    if (prompt.size() >= trained.tokens.size() ||
        !std::equal(prompt.begin(), prompt.end(), trained.tokens.begin()))
      return fmt::format("training sees other ids before answer {}",
                         turn / 2 + 1);
    if (trained.outputs == 2 && (trained.is_output[prompt.size() - 1] ||
                                 !trained.is_output[prompt.size()]))
      return "the answer does not begin where the prompt ends";
  }
  return "same";
}

bool compare(const std::string& dir) {
  const std::clock_t start = std::clock();
  Tokenizer tokenizer = Tokenizer::load(dir);
  const double took =
      static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::ifstream file(dir + ".jsonl");
  Counts counts;
  for (std::string line; std::getline(file, line);)
    counts.add(tokenizer, json::parse(line));
  fmt::print(
      "{}: {} tokens loaded in {:.2f} s of CPU; {} lines encoded, {} differ; "
      "{} "
      "decoded, {} differ\n",
      dir, tokenizer.vocab_size(), took, counts.encoded, counts.ids,
      counts.lines, counts.texts);
  const bool has_template = !tokenizer.chat_template().empty();
  if (!has_template)
    tokenizer.set_chat_template(
        std::string(turn_format_of(tokenizer).chat_template));
  const std::string chat = compare_chat(tokenizer);
  fmt::print("  a chat in {}: {}\n",
             has_template ? "its template" : "the template that instruct gives",
             chat);
  return counts.encoded > 0 && counts.ids + counts.texts == 0 && chat == "same";
}

}  // namespace
}  // namespace seodang

int main(int argc, char** argv) {
  bool same = true;
  try {
    for (int i = 1; i < argc; ++i) same = seodang::compare(argv[i]) && same;
  } catch (const std::exception& error) {
    fmt::print(stderr, "compare: {}\n", error.what());
    return 1;
  }
  return same ? 0 : 1;
}
