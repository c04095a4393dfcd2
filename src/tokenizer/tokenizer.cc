#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "base/error.h"
#include "base/files.h"
#include "base/utf8.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/gguf_tokenizer.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/token_decoder.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/tokenizer_spec.h"
#include "tokenizer/turn_format.h"

namespace seodang {
namespace {

constexpr const char* kJson = "tokenizer.json";

}  // namespace

// What a tokenizer is built of; shared by its copies and never changed.
struct Tokenizer::Parts {
  explicit Parts(TokenizerSpec given)
      : spec(std::move(given)),
        normalizer(spec.normalizer),
        pre_tokenizer(spec.pre_tokenizer),
        bpe(spec),
        decoder(spec.decoder),
        special(spec.tokens.size()) {
    spell_out();
    for (const AddedToken& token : spec.added_tokens) {
      added.emplace(token.content, token.id);
      special[token.id] = token.special;
      if (token.special) specials.add(token.content, token);
      if (token.normalized)
        in_normalized.add(normalizer.normalize(token.content), token);
      else
        in_text.add(token.content, token);
    }
    bos = id_of(spec.bos_token, "bos_token");
    eos = id_of(spec.eos_token, "eos_token");
    const TokensAround around = tokens_around_text(spec.post_processor);
    for (const std::string& token : around.before)
      before.push_back(id_of(token, "post_processor"));
    for (const std::string& token : around.after)
      after.push_back(id_of(token, "post_processor"));
  }

  // Views of the spec, or of `changed`.
  void spell_out() {
    spelled.assign(spec.tokens.begin(), spec.tokens.end());
    for (const AddedToken& token : spec.added_tokens)
      spelled[token.id] =
          token.normalized
              ? changed.emplace_back(normalizer.normalize(token.content))
              : std::string_view(token.content);
    bytes = spelled;
    if (!spec.byte_level)
      for (size_t id = 0; id < bytes.size(); ++id)
        if (std::string text = decoder.bytes_of(bytes[id]); text != bytes[id])
          bytes[id] = changed.emplace_back(std::move(text));
    for (const AddedToken& token : spec.added_tokens)
      if (token.special) bytes[token.id] = token.content;
  }

  int32_t find(std::string_view token) const {
    const auto found = added.find(token);
    return found != added.end() ? found->second : bpe.find(token);
  }

  int32_t id_of(const std::string& token, const char* role) const {
    if (token.empty()) return -1;
    const int32_t id = find(token);
    if (id < 0) throw Error("{} \"{}\" is not in the vocabulary", role, token);
    return id;
  }

  // `text` has none of the added tokens that are searched before it is
  // normalized.
  void encode_piece(std::string_view text, Follows follows, bool parse_special,
                    std::vector<int32_t>& ids) const {
    std::string normalized;
    if (!normalizer.empty())
      text = normalized = normalizer.normalize(text, follows != Follows::text);
    const PreTokenizer::Word encode_word = [&](std::string_view word) {
      bpe.encode(word, ids);
    };
    in_normalized.split(
        text, [&](size_t) { return parse_special; },
        [&](std::string_view piece, const AddedToken* token) {
          if (token)
            ids.push_back(token->id);
          else
            pre_tokenizer.split(
                piece, encode_word,
                piece.data() == text.data() ? follows : Follows::token);
        });
  }

  TokenizerSpec spec;
  AddedTokenFinder in_text, in_normalized, specials;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  Bpe bpe;
  TokenDecoder decoder;
  std::unordered_map<std::string_view, int32_t> added;
  std::vector<bool> special;
  std::vector<std::string_view> spelled;  // as the decoder takes them
  std::vector<std::string_view> bytes;    // what they stand for
  std::deque<std::string> changed;
  int32_t bos, eos;
  std::vector<int32_t> before, after;  // of a text
};

Tokenizer::Tokenizer(TokenizerSpec spec) : chat_template_(spec.chat_template) {
  parts_ = std::make_shared<Parts>(std::move(spec));
}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(const Tokenizer&) = default;
Tokenizer& Tokenizer::operator=(const Tokenizer&) = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::load(const std::filesystem::path& model_dir) {
  if (model_dir.extension() == ".gguf")
    return read_gguf_tokenizer(GgufFile(model_dir));
  TokenizerSpec spec = read_tokenizer_spec(model_dir);
  read_tokenizer_config(model_dir, spec);
  try {
    return Tokenizer(std::move(spec));
  } catch (const Error& error) {
    throw Error("{}: {}", vocabulary_file(model_dir).string(), error.what());
  }
}

void Tokenizer::save(const std::filesystem::path& model_dir) const {
  TokenizerSpec spec = parts_->spec;
  spec.chat_template = chat_template_;
  write_file(model_dir / kJson, write_tokenizer_json(spec));
  write_tokenizer_config(model_dir, spec);
}

std::vector<int32_t> Tokenizer::encode(std::string_view text,
                                       EncodeOptions options) const {
  std::string repaired;
  if (find_invalid_utf8(text) != text.npos)
    text = repaired = replace_invalid_utf8(text);
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 2);
  const auto add = [&](const std::vector<int32_t>& tokens) {
    if (options.add_special_tokens)
      ids.insert(ids.end(), tokens.begin(), tokens.end());
  };
  add(parts_->before);
  const Follows start = options.continues ? Follows::text : Follows::nothing;
  parts_->in_text.split(
      text, [&](size_t) { return options.parse_special; },
      [&](std::string_view piece, const AddedToken* token) {
        if (token)
          ids.push_back(token->id);
        else
          parts_->encode_piece(
              piece, piece.data() == text.data() ? start : Follows::token,
              options.parse_special, ids);
      });
  add(parts_->after);
  return ids;
}

std::vector<int32_t> Tokenizer::encode_prompt(std::string_view text) const {
  auto ids = encode(text, {.add_special_tokens = true});
  ids.resize(ids.size() - parts_->after.size());
  return ids;
}

std::vector<std::vector<int32_t>> Tokenizer::encode_parts(
    std::string_view text, const TextMarks& marks) const {
  std::vector<std::vector<int32_t>> parts(1);
  auto cut = marks.cuts.begin();
  const auto begin_parts = [&](size_t up_to) {
    for (; cut != marks.cuts.end() && *cut <= up_to; ++cut)
      parts.emplace_back();
  };
  const auto is_literal = [&](size_t begin, size_t end) {
    const auto next =
        std::lower_bound(marks.literal.begin(), marks.literal.end(), begin);
    return next != marks.literal.end() && *next < end;
  };
  parts_->in_text.split(
      text, [&](size_t offset) { return !is_literal(offset, offset + 1); },
      [&](std::string_view piece, const AddedToken* token) {
        size_t at = static_cast<size_t>(piece.data() - text.data());
        const size_t end = at + piece.size();
        Follows follows = at == 0 ? Follows::nothing : Follows::token;
        begin_parts(at);
        if (token) {
          parts.back().push_back(token->id);
          return;
        }
        while (at < end) {
          const size_t next =
              cut == marks.cuts.end() ? end : std::min(*cut, end);
          parts_->encode_piece(text.substr(at, next - at), follows,
                               !is_literal(at, next), parts.back());
          follows = Follows::text;
          at = next;
          if (at < end) begin_parts(at);
        }
      });
  begin_parts(text.size());
  return parts;
}

std::vector<size_t> Tokenizer::special_offsets(std::string_view text) const {
  return parts_->specials.special_offsets(text);
}

std::string Tokenizer::decode(std::span<const int32_t> ids,
                              bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (int32_t id : ids) {
    check(id);
    if (!skip_special_tokens || !parts_->special[id])
      tokens.emplace_back(parts_->spelled[id]);
  }
  return parts_->decoder.decode(std::move(tokens));
}

void Tokenizer::check(int32_t id) const {
  if (id < 0 || id >= vocab_size())
    throw Error("token id {} is outside the vocabulary of {}", id,
                vocab_size());
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  check(id);
  return parts_->bytes[id];
}

int32_t Tokenizer::vocab_size() const {
  return static_cast<int32_t>(parts_->bytes.size());
}

std::optional<int32_t> Tokenizer::find(
    std::string_view special_or_token) const {
  const int32_t id = parts_->find(special_or_token);
  return id < 0 ? std::nullopt : std::optional(id);
}

std::optional<int32_t> Tokenizer::find_added(std::string_view content) const {
  const auto found = parts_->added.find(content);
  return found == parts_->added.end() ? std::nullopt
                                      : std::optional(found->second);
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && id < vocab_size() && parts_->special[id];
}

bool Tokenizer::is_added(int32_t id) const {
  return std::ranges::binary_search(parts_->spec.added_tokens, id, {},
                                    &AddedToken::id);
}

std::span<const int32_t> Tokenizer::ids_before_text() const {
  return parts_->before;
}

std::span<const int32_t> Tokenizer::ids_after_text() const {
  return parts_->after;
}

int32_t Tokenizer::bos_token_id() const { return parts_->bos; }
int32_t Tokenizer::eos_token_id() const { return parts_->eos; }

std::vector<int32_t> Tokenizer::end_of_turn_ids() const {
  std::vector<int32_t> ids;
  for (const std::string_view token : end_of_turn_tokens())
    if (const auto id = find_added(token)) ids.push_back(*id);
  const int32_t eos = eos_token_id();
  if (eos >= 0 && std::find(ids.begin(), ids.end(), eos) == ids.end())
    ids.push_back(eos);
  return ids;
}

const std::string& Tokenizer::chat_template() const { return chat_template_; }

void Tokenizer::set_chat_template(std::string jinja) {
  chat_template_ = std::move(jinja);
}

}  // namespace seodang
