#include "data/prepare.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "data/clean.h"
#include "data/duplicates.h"
#include "data/shards.h"
#include "tokenizer/tokenizer.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Text read before the threads set to work on it: bounds the memory.
constexpr size_t kChunkBytes = size_t{16} << 20;

enum Reason { kEmpty, kTooShort, kDuplicate, kNearDuplicate, kReasons };
constexpr const char* kReasonNames[kReasons] = {"empty", "too short",
                                                "duplicate", "near duplicate"};

// A document on its way from the file into a shard.
struct Item {
  Document document;
  size_t bytes_in = 0;
  int64_t characters = 0;
  Hash128 hash;
  MinHash signature;
  std::vector<int32_t> tokens;
};

// Without the slash at the end, so that names beside it can be made.
fs::path checked_output(const fs::path& out_dir) {
  fs::path out = out_dir.lexically_normal();
  if (!out.has_filename()) out = out.parent_path();
  if (fs::exists(out) && !fs::exists(out / "index.json") &&
      (!fs::is_directory(out) || !fs::is_empty(out)))
    throw UsageError(
        "{}: holds something that is no prepared corpus; name another place",
        out.string());
  return out;
}

std::string where(const Document& document) {
  return fmt::format("{}:{}", document.source, document.line);
}

// Where it stands and how it begins.
std::string example_of(const Document& document) {
  constexpr size_t kShown = 60;
  std::string_view text = document.text;
  size_t size = 0;
  while (size < text.size() && size < kShown && text[size] != '\n')
    size += std::max<size_t>(1, utf8_character_size(text.substr(size)));
  const bool all = size == text.size();
  return fmt::format("{}: {}{}", where(document), text.substr(0, size),
                     all ? "" : "…");
}

// The two splits while they are written. Keeps one training document back until
// validation has its first, so that validation is never empty.
class Splits {
 public:
  Splits(const fs::path& dir, int32_t vocab_size, const PrepareOptions& options)
      : train_(dir, "train", vocab_size),
        validation_(dir, "validation", vocab_size),
        options_(options) {}

  void add(Item& item) {
    const uint64_t draw = mix_bits(options_.seed, item.hash.low);
    constexpr double kTwo64 = 18446744073709551616.0;
    if (static_cast<double>(draw) < options_.validation * kTwo64) {
      write(validation_, report_validation, item);
      if (spare_) release_spare();
    } else if (options_.validation == 0 || validation_.num_documents() > 0) {
      write(train_, report_train, item);
    } else if (!spare_) {
      spare_ = std::move(item);
      spare_draw_ = draw;
    } else {
      if (draw < spare_draw_) {
        std::swap(*spare_, item);
        spare_draw_ = draw;
      }
      write(train_, report_train, item);
    }
  }

  void finish() {
    if (spare_ && train_.num_documents() > 0)
      write(validation_, report_validation, *spare_);
    else if (spare_)
      release_spare();
    train_.finish();
    validation_.finish();
  }

  const ShardWriter& train() const { return train_; }
  const ShardWriter& validation() const { return validation_; }
  PrepareReport::Split report_train, report_validation;

 private:
  static void write(ShardWriter& writer, PrepareReport::Split& split,
                    const Item& item) {
    writer.add(item.tokens);
    ++split.documents;
    split.tokens += static_cast<int64_t>(item.tokens.size());
    split.bytes += static_cast<int64_t>(item.document.text.size());
  }
  void release_spare() {
    write(train_, report_train, *spare_);
    spare_.reset();
  }

  ShardWriter train_, validation_;
  const PrepareOptions& options_;
  std::optional<Item> spare_;  // the one of the smallest draw so far
  uint64_t spare_draw_ = 0;
};

class Preparation {
 public:
  Preparation(const Tokenizer& tokenizer, const PrepareOptions& options,
              const fs::path& dir)
      : tokenizer_(tokenizer),
        options_(options),
        splits_(dir, tokenizer.vocab_size(), options) {
    if (options.near_duplicates > 0) near_.emplace(options.near_duplicates);
    for (const char* name : kReasonNames)
      report_.dropped.push_back({name, 0, 0, {}});
  }

  PrepareReport run(DocumentReader& reader) {
    std::vector<Item> chunk;
    size_t bytes = 0;
    Item item;
    while (reader.next(item.document)) {
      bytes += item.bytes_in = item.document.text.size();
      chunk.push_back(std::move(item));
      item = {};
      if (bytes < kChunkBytes) continue;
      process(chunk);
      bytes = 0;
    }
    process(chunk);
    splits_.finish();
    report_.train = splits_.report_train;
    report_.validation = splits_.report_validation;
    return report_;
  }

  const Splits& splits() const { return splits_; }

 private:
  // What is costly is done by all threads, what depends on the order by one.
  void process(std::vector<Item>& chunk) {
    const auto count = static_cast<int64_t>(chunk.size());
    parallel_items(count, [&](int64_t i) { examine(chunk[i]); });
    std::erase_if(chunk, [&](const Item& item) { return dropped(item); });
    parallel_items(static_cast<int64_t>(chunk.size()),
                   [&](int64_t i) { tokenize(chunk[i]); });
    for (Item& item : chunk) splits_.add(item);
    chunk.clear();
  }

  void examine(Item& item) const {
    std::string& text = item.document.text;
    text = clean_text(text);
    item.characters = std::count_if(text.begin(), text.end(), [](char byte) {
      return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
    });
    item.hash = hash_bytes(text);
    if (near_) item.signature = min_hash(text);
  }

  bool dropped(const Item& item) {
    const Document& document = item.document;
    ++report_.documents_in;
    report_.bytes_in += static_cast<int64_t>(item.bytes_in);
    report_.invalid_utf8_documents += document.repaired;
    const auto drop = [&](Reason reason, const std::string& note) {
      auto& entry = report_.dropped[reason];
      if (entry.documents++ == 0) entry.example = example_of(document) + note;
      entry.bytes += static_cast<int64_t>(item.bytes_in);
      return true;
    };
    if (document.text.empty()) return drop(kEmpty, "");
    if (item.characters < options_.min_characters) return drop(kTooShort, "");
    if (!seen_.insert(item.hash).second) return drop(kDuplicate, "");
    if (!near_) return false;
    const auto id = static_cast<int64_t>(kept_at_.size());
    const int64_t earlier = near_->find_or_add(item.signature, id);
    if (earlier >= 0)
      return drop(kNearDuplicate,
                  fmt::format(" (as at {})", kept_at_[earlier]));
    kept_at_.push_back(where(document));
    return false;
  }

  void tokenize(Item& item) const {
    item.tokens =
        tokenizer_.encode(item.document.text, {.add_special_tokens = true});
    const int32_t eos = tokenizer_.eos_token_id();
    if (eos >= 0 && (item.tokens.empty() || item.tokens.back() != eos))
      item.tokens.push_back(eos);
  }

  const Tokenizer& tokenizer_;
  const PrepareOptions& options_;
  Splits splits_;
  std::set<Hash128> seen_;
  std::optional<NearDuplicates> near_;
  std::vector<std::string> kept_at_;  // by id in near_
  PrepareReport report_;
};

std::string why_nothing_is_left(const PrepareReport& report) {
  if (report.documents_in == 0) return "the files hold no text";
  if (report.validation.documents > 0)
    return "every document fell to validation; lower --validation";
  std::string reasons;
  for (const auto& entry : report.dropped)
    if (entry.documents > 0)
      reasons += fmt::format("{}{} {}", reasons.empty() ? "" : ", ",
                             entry.documents, entry.reason);
  return fmt::format("no document is left to train on: {}", reasons);
}

json split_json(const PrepareReport::Split& split) {
  return {{"documents", split.documents},
          {"tokens", split.tokens},
          {"bytes", split.bytes}};
}

}  // namespace

double PrepareReport::bytes_per_token() const {
  const int64_t tokens = train.tokens + validation.tokens;
  const int64_t bytes = train.bytes + validation.bytes;
  return tokens > 0 ? static_cast<double>(bytes) / tokens : 0;
}

json to_json(const PrepareReport& report) {
  json dropped = json::array();
  for (const auto& entry : report.dropped) {
    json one = {{"reason", entry.reason},
                {"documents", entry.documents},
                {"bytes", entry.bytes}};
    if (entry.documents > 0) one["example"] = entry.example;
    dropped.push_back(std::move(one));
  }
  return {{"documents_in", report.documents_in},
          {"bytes_in", report.bytes_in},
          {"invalid_utf8_documents", report.invalid_utf8_documents},
          {"dropped", std::move(dropped)},
          {"train", split_json(report.train)},
          {"validation", split_json(report.validation)},
          {"bytes_per_token", report.bytes_per_token()}};
}

PrepareReport prepare_corpus(const std::vector<fs::path>& files,
                             const Tokenizer& tokenizer,
                             const PrepareOptions& options,
                             const fs::path& out_dir) {
  check_options(options);
  const fs::path out = checked_output(out_dir);
  DocumentReader reader(files, options.format);
  AtomicDirectory directory(out);
  Preparation preparation(tokenizer, options, directory.path());
  PrepareReport report = preparation.run(reader);
  if (report.train.documents == 0) throw Error(why_nothing_is_left(report));
  write_shard_index(directory.path(), vocabulary_hash(tokenizer),
                    preparation.splits().train(),
                    preparation.splits().validation());
  write_file(directory.path() / "report.json", to_json(report).dump(2) + "\n");
  directory.commit();
  return report;
}

}  // namespace seodang
