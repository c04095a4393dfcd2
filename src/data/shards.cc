#include "data/shards.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "formats/json.h"
#include "tokenizer/tokenizer.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "shards are mapped as they are: little-endian");

constexpr char kMagic[8] = {'S', 'E', 'O', 'D', 'A', 'N', 'G', '1'};
constexpr char kFormat[] = "seodang-shards";
constexpr char kIndex[] = "index.json";

struct Header {
  char magic[8];
  uint32_t bytes_per_token, vocab_size;
};
struct Footer {
  uint64_t documents, tokens;
  char magic[8];
};

uint32_t bytes_per_token(int64_t vocab_size) {
  return vocab_size <= 65536 ? 2 : 4;
}

uint64_t padding_after(uint64_t bytes) { return (8 - bytes % 8) % 8; }

// One mapped file, checked.
class Shard {
 public:
  Shard(const fs::path& path, int32_t vocab_size)
      : name_(path.string()), file_(path) {
    const auto bytes = file_.bytes();
    if (bytes.size() < sizeof(Header) + sizeof(Footer)) fail("too short");
    Header header;
    Footer footer;
    std::memcpy(&header, bytes.data(), sizeof(header));
    std::memcpy(&footer, bytes.data() + bytes.size() - sizeof(footer),
                sizeof(footer));
    if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0 ||
        std::memcmp(footer.magic, kMagic, sizeof(kMagic)) != 0)
      fail("not a shard, or cut off");
    if (header.vocab_size != static_cast<uint32_t>(vocab_size))
      fail("its vocab_size is not that of index.json");
    width_ = header.bytes_per_token;
    if (width_ != bytes_per_token(vocab_size)) fail("wrong token width");
    if (footer.tokens > bytes.size() || footer.documents > bytes.size())
      fail("its counts do not fit its size");
    const uint64_t token_bytes = footer.tokens * width_;
    const uint64_t offsets_begin =
        sizeof(Header) + token_bytes + padding_after(token_bytes);
    if (offsets_begin + (footer.documents + 1) * sizeof(uint64_t) +
            sizeof(Footer) !=
        bytes.size())
      fail("its counts do not fit its size");
    tokens_ = bytes.data() + sizeof(Header);
    offsets_ = {reinterpret_cast<const uint64_t*>(bytes.data() + offsets_begin),
                footer.documents + 1};
    check_offsets(footer.tokens);
    check_ids(static_cast<uint32_t>(vocab_size));
  }

  int64_t num_documents() const {
    return static_cast<int64_t>(offsets_.size()) - 1;
  }
  int64_t num_tokens() const { return static_cast<int64_t>(offsets_.back()); }
  int64_t document_length(int64_t document) const {
    return static_cast<int64_t>(offsets_[document + 1] - offsets_[document]);
  }
  void copy(int64_t document, int64_t begin, std::span<int32_t> out) const {
    const uint64_t first = offsets_[document] + begin;
    if (width_ == 2)
      copy_as<uint16_t>(first, out);
    else
      copy_as<uint32_t>(first, out);
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw Error("{}: {}; prepare the corpus again", name_, what);
  }

  void check_offsets(uint64_t tokens) const {
    if (offsets_.front() != 0 || offsets_.back() != tokens)
      fail("its document offsets are damaged");
    for (size_t i = 1; i < offsets_.size(); ++i)
      if (offsets_[i] <= offsets_[i - 1])
        fail("its document offsets are damaged");
  }

  template <class Id>
  uint32_t largest_id() const {
    const Id* ids = reinterpret_cast<const Id*>(tokens_);
    uint32_t largest = 0;
    for (int64_t i = 0; i < num_tokens(); ++i)
      largest = std::max<uint32_t>(largest, ids[i]);
    return largest;
  }
  void check_ids(uint32_t vocab_size) const {
    const uint32_t largest =
        width_ == 2 ? largest_id<uint16_t>() : largest_id<uint32_t>();
    if (num_tokens() > 0 && largest >= vocab_size)
      fail("it holds token ids beyond the vocabulary");
  }

  template <class Id>
  void copy_as(uint64_t first, std::span<int32_t> out) const {
    const Id* ids = reinterpret_cast<const Id*>(tokens_) + first;
    std::copy(ids, ids + out.size(), out.begin());
  }

  std::string name_;
  MappedFile file_;
  uint32_t width_ = 2;
  const std::byte* tokens_ = nullptr;
  std::span<const uint64_t> offsets_;
};

}  // namespace

std::string vocabulary_hash(const Tokenizer& tokenizer) {
  Hasher hasher;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const Hash128 token = hash_bytes(tokenizer.token_bytes(id));
    hasher.add(&token, sizeof token);
  }
  return to_hex(hasher.hash());
}

struct TokenShards::State {
  std::string dir, tokenizer;
  int32_t vocab_size = 0;
  int64_t tokens = 0;
  std::vector<Shard> shards;
  std::vector<int64_t> first_document = {0};  // of each shard, and the count

  std::pair<const Shard&, int64_t> find(int64_t document) const {
    const auto after = std::upper_bound(first_document.begin(),
                                        first_document.end(), document);
    const size_t shard = after - first_document.begin() - 1;
    return {shards[shard], document - first_document[shard]};
  }
};

TokenShards TokenShards::open(const fs::path& dir, const std::string& split) {
  const fs::path index_path = dir / kIndex;
  const std::string name = index_path.string();
  if (!fs::exists(index_path))
    throw Error("{}: not found; `seodang data FILES… -o {}` makes it", name,
                dir.string());
  auto state = std::make_shared<State>();
  state->dir = dir.string();
  const json index = read_json(index_path);
  int64_t documents = 0, tokens = 0;
  std::vector<std::string> files;
  try {
    if (index.at("format") != kFormat || index.at("version") != 1)
      throw Error("{}: not an index of shards this version reads", name);
    state->vocab_size = index.at("vocab_size").get<int32_t>();
    state->tokenizer = index.at("tokenizer").get<std::string>();
    documents = index.at(split).at("documents").get<int64_t>();
    tokens = index.at(split).at("tokens").get<int64_t>();
    files = index.at(split).at("files").get<std::vector<std::string>>();
  } catch (const json::exception& error) {
    throw Error("{}: {}", name, error.what());
  }
  if (state->vocab_size <= 0) throw Error("{}: vocab_size must be > 0", name);
  for (const std::string& file : files) {
    if (fs::path(file).filename() != fs::path(file))
      throw Error("{}: \"{}\" is not a file name", name, file);
    const Shard& shard =
        state->shards.emplace_back(dir / file, state->vocab_size);
    state->tokens += shard.num_tokens();
    state->first_document.push_back(state->first_document.back() +
                                    shard.num_documents());
  }
  if (state->first_document.back() != documents || state->tokens != tokens)
    throw Error("{}: its counts are not those of the {} shards", name, split);
  TokenShards out;
  out.state_ = std::move(state);
  return out;
}

int64_t TokenShards::num_documents() const {
  return state_->first_document.back();
}
int64_t TokenShards::num_tokens() const { return state_->tokens; }
int32_t TokenShards::vocab_size() const { return state_->vocab_size; }

void TokenShards::check_made_with(const Tokenizer& tokenizer) const {
  if (vocabulary_hash(tokenizer) != state_->tokenizer)
    throw UsageError(
        "{}: prepared with another tokenizer; prepare it again with this one",
        state_->dir);
}

std::string TokenShards::fingerprint(const fs::path& dir) {
  return seodang::fingerprint(dir / kIndex);
}

int64_t TokenShards::document_length(int64_t document) const {
  const auto [shard, local] = state_->find(document);
  return shard.document_length(local);
}

void TokenShards::copy_tokens(int64_t document, int64_t begin,
                              std::span<int32_t> out) const {
  const auto [shard, local] = state_->find(document);
  shard.copy(local, begin, out);
}

struct ShardWriter::State {
  fs::path dir;
  std::string split;
  int32_t vocab_size;
  int64_t max_shard_tokens;
  std::vector<std::string> files;
  std::unique_ptr<AtomicFile> file;
  std::vector<uint64_t> offsets;  // of the current shard
  std::vector<uint16_t> narrow;   // one document
  Hasher hasher;                  // of lengths and tokens
  int64_t documents = 0, tokens = 0;

  void begin_shard() {
    files.push_back(fmt::format("{}-{:05}.bin", split, files.size()));
    file = std::make_unique<AtomicFile>(dir / files.back());
    Header header = {
        {}, bytes_per_token(vocab_size), static_cast<uint32_t>(vocab_size)};
    std::memcpy(header.magic, kMagic, sizeof(kMagic));
    file->write(&header, sizeof(header));
    offsets.assign(1, 0);
  }

  void end_shard() {
    constexpr char kZeros[8] = {};
    file->write(kZeros,
                padding_after(offsets.back() * bytes_per_token(vocab_size)));
    file->write(offsets.data(), offsets.size() * sizeof(uint64_t));
    Footer footer = {offsets.size() - 1, offsets.back(), {}};
    std::memcpy(footer.magic, kMagic, sizeof(kMagic));
    file->write(&footer, sizeof(footer));
    file->commit();
    file.reset();
  }
};

ShardWriter::ShardWriter(fs::path dir, std::string split, int32_t vocab_size,
                         int64_t max_shard_tokens)
    : state_(new State{std::move(dir),
                       std::move(split),
                       vocab_size,
                       max_shard_tokens,
                       {},
                       {},
                       {},
                       {},
                       {}}) {}
ShardWriter::~ShardWriter() = default;

void ShardWriter::add(std::span<const int32_t> document) {
  State& s = *state_;
  if (!s.file) s.begin_shard();
  if (bytes_per_token(s.vocab_size) == 2) {
    s.narrow.assign(document.begin(), document.end());
    s.file->write(s.narrow.data(), s.narrow.size() * sizeof(uint16_t));
  } else {
    s.file->write(document.data(), document.size_bytes());
  }
  const uint64_t length = document.size();
  s.hasher.add(&length, sizeof length);
  s.hasher.add(document.data(), document.size_bytes());
  s.offsets.push_back(s.offsets.back() + document.size());
  ++s.documents;
  s.tokens += static_cast<int64_t>(document.size());
  if (static_cast<int64_t>(s.offsets.back()) >= s.max_shard_tokens)
    s.end_shard();
}

void ShardWriter::finish() {
  if (state_->file) state_->end_shard();
}

int32_t ShardWriter::vocab_size() const { return state_->vocab_size; }
const std::vector<std::string>& ShardWriter::files() const {
  return state_->files;
}
int64_t ShardWriter::num_documents() const { return state_->documents; }
int64_t ShardWriter::num_tokens() const { return state_->tokens; }
std::string ShardWriter::hash() const { return to_hex(state_->hasher.hash()); }

void write_shard_index(const fs::path& dir, const std::string& vocabulary_hash,
                       const ShardWriter& train,
                       const ShardWriter& validation) {
  const auto split = [](const ShardWriter& writer) {
    return json{{"files", writer.files()},
                {"documents", writer.num_documents()},
                {"tokens", writer.num_tokens()},
                {"hash", writer.hash()}};
  };
  const json index = {{"format", kFormat},
                      {"version", 1},
                      {"vocab_size", train.vocab_size()},
                      {"tokenizer", vocabulary_hash},
                      {"train", split(train)},
                      {"validation", split(validation)}};
  write_file(dir / kIndex, index.dump(2) + "\n");
}

}  // namespace seodang
