#include "tokenizer/train_bpe.h"

#include <algorithm>
#include <queue>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/rng.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/post_processor.h"
#include "tokenizer/tokenizer_spec.h"
#include "tokenizer/word_counts.h"

namespace seodang {

std::string split_pattern(const std::string& name) {
  // Llama 3's tokenizer.json, pre_tokenizer.
  std::string llama3 =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
      " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  if (name == "llama3") return llama3;
  // As few syllables as leave a particle, or nothing, before the word's end;
  // the space before them; a Latin word before its particle.
  if (name == "llama3-korean")
    return "[가-힣]+?(?=(?:은|는|이|가|을|를|의|에|에서|와|과|로|으로|도|이다|"
           "다|"
           "입니다|이고|이며|인|이야|야|이지|지|이에요|예요)?(?!\\p{L}))|"
           " (?=[가-힣])|[^\\r\\n\\p{L}\\p{N}]?[A-Za-z]+(?=[가-힣])|" +
           llama3;
  return name;
}

const std::vector<std::string>& llama3_special_tokens() {
  static const std::vector<std::string> tokens = {
      "<|begin_of_text|>",   "<|end_of_text|>",   "<|finetune_right_pad_id|>",
      "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"};
  return tokens;
}

namespace {

using Pair = std::pair<int32_t, int32_t>;

struct PairHash {
  size_t operator()(const Pair& pair) const {
    return mix_bits(static_cast<uint64_t>(pair.first) << 32 |
                    static_cast<uint32_t>(pair.second));
  }
};

// Learns merges over words that are kept as sequences of ids. Counts of pairs
// are exact at every step; the queue may hold old ones, which are corrected
// when they come to its front.
class MergeLearner {
 public:
  MergeLearner(const WordCounts& counts, TokenizerSpec& spec) : spec_(spec) {
    int32_t byte_ids[256];
    for (int32_t id = 0; id < 256; ++id) {
      const uint8_t byte = bytes_by_spelling()[id];
      byte_ids[byte] = id;
      token_id(std::string(1, static_cast<char>(byte)));
    }
    words_.reserve(counts.size());
    for (const auto& [text, count] : counts) {
      Word& word = words_.emplace_back(Word{{}, count});
      for (char byte : text)
        word.ids.push_back(byte_ids[static_cast<uint8_t>(byte)]);
      const auto index = static_cast<uint32_t>(words_.size() - 1);
      for (size_t i = 0; i + 1 < word.ids.size(); ++i)
        change({word.ids[i], word.ids[i + 1]}, +1, index);
    }
    queue_changes();
  }

  void learn(size_t vocab_size, int64_t min_frequency) {
    while (spec_.tokens.size() < vocab_size && !queue_.empty()) {
      const Candidate top = queue_.top();
      queue_.pop();
      const auto found = pairs_.find(top.pair);
      const int64_t count = found == pairs_.end() ? 0 : found->second.count;
      if (count < top.count && count > 0) queue_.push({count, top.pair});
      if (count != top.count) continue;
      if (count < min_frequency) break;
      // Merging adds pairs, which may move the entry that was found.
      const std::vector<uint32_t> words = std::move(found->second.words);
      merge(top.pair, words);
    }
  }

 private:
  struct Word {
    std::vector<int32_t> ids;
    int64_t count;
  };
  struct PairInfo {
    int64_t count = 0;
    bool grown = false;           // waits in grown_ to be queued
    std::vector<uint32_t> words;  // that have or had the pair
  };
  struct Candidate {
    int64_t count;
    Pair pair;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  int32_t token_id(const std::string& bytes) {
    const auto next = static_cast<int32_t>(spec_.tokens.size());
    const auto [entry, is_new] = ids_.emplace(bytes, next);
    if (is_new) spec_.tokens.push_back(bytes);
    return entry->second;
  }

  void change(Pair pair, int sign, uint32_t word) {
    PairInfo& info = pairs_[pair];
    info.count += sign * words_[word].count;
    if (sign < 0) return;
    if (info.words.empty() || info.words.back() != word)
      info.words.push_back(word);
    if (!info.grown) grown_.push_back(pair);
    info.grown = true;
  }

  void queue_changes() {
    for (const Pair& pair : grown_) {
      PairInfo& info = pairs_[pair];
      info.grown = false;
      if (info.count > 0) queue_.push({info.count, pair});
    }
    grown_.clear();
  }

  // Two routes can lead to the same bytes, hence to the same id; so a pair may
  // come back after it was merged, and is then merged without a new rule.
  void merge(Pair pair, const std::vector<uint32_t>& words) {
    const int32_t id =
        token_id(spec_.tokens[pair.first] + spec_.tokens[pair.second]);
    if (merged_.insert(pair).second) spec_.merges.push_back(pair);
    for (uint32_t word : words) merge_in(word, pair, id);
    pairs_.erase(pair);
    queue_changes();
  }

  // A neighbourhood changes where either of its two symbols was merged.
  void merge_in(uint32_t index, Pair pair, int32_t id) {
    std::vector<int32_t>& ids = words_[index].ids;
    size_t written = 0;
    bool after_merge = false;
    int32_t before = 0;  // the symbol that stood before ids[i]
    for (size_t i = 0; i < ids.size();) {
      const bool merges = i + 1 < ids.size() && ids[i] == pair.first &&
                          ids[i + 1] == pair.second;
      const int32_t now = merges ? id : ids[i];
      if (written > 0 && (merges || after_merge)) {
        change({before, ids[i]}, -1, index);
        change({ids[written - 1], now}, +1, index);
      }
      if (merges) change(pair, -1, index);
      before = merges ? pair.second : ids[i];
      i += merges ? 2 : 1;
      ids[written++] = now;
      after_merge = merges;
    }
    ids.resize(written);
  }

  TokenizerSpec& spec_;
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<Word> words_;
  std::unordered_map<Pair, PairInfo, PairHash> pairs_;
  std::unordered_set<Pair, PairHash> merged_;
  std::vector<Pair> grown_;
  std::priority_queue<Candidate> queue_;
};

void check(const BpeTrainOptions& options) {
  const std::set<std::string> specials(options.special_tokens.begin(),
                                       options.special_tokens.end());
  if (specials.size() != options.special_tokens.size() || specials.contains(""))
    throw UsageError("special tokens must differ and not be empty");
  const size_t least = 256 + specials.size();
  if (options.vocab_size < static_cast<int64_t>(least))
    throw UsageError(
        "vocabulary of {} is too small: 256 bytes and {} special tokens need "
        "{}",
        options.vocab_size, specials.size(), least);
}

std::string if_present(const std::vector<std::string>& specials,
                       const char* name) {
  return std::count(specials.begin(), specials.end(), name) ? name : "";
}

}  // namespace

Tokenizer train_bpe(const std::function<bool(std::string& text)>& next_document,
                    const BpeTrainOptions& options) {
  check(options);
  TokenizerSpec spec;
  spec.pre_tokenizer = byte_level_pre_tokenizer({split_pattern(options.split)});
  spec.decoder = kByteLevelPart;
  spec.ignore_merges = true;  // as Llama 3 does
  const WordCounts counts =
      count_words(next_document, PreTokenizer(spec.pre_tokenizer));
  if (counts.empty())
    throw Error("no text to learn a tokenizer from: every document is empty");
  MergeLearner(counts, spec)
      .learn(options.vocab_size - options.special_tokens.size(),
             options.min_frequency);
  for (const std::string& content : options.special_tokens) {
    spec.added_tokens.push_back(
        {static_cast<int32_t>(spec.tokens.size()), content, true});
    spec.tokens.emplace_back();
  }
  spec.bos_token = if_present(options.special_tokens, "<|begin_of_text|>");
  spec.eos_token = if_present(options.special_tokens, "<|end_of_text|>");
  spec.pad_token =
      if_present(options.special_tokens, "<|finetune_right_pad_id|>");
  put_around_text(spec, true, false);
  return Tokenizer(std::move(spec));
}

}  // namespace seodang
