#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/rng.h"
#include "data/batch_filler.h"
#include "data/batches.h"

namespace seodang {
namespace {

// Streams of random numbers of one seed. Pretraining text draws from streams
// 0, 1, ... (its epochs).
constexpr uint64_t kPackingStream = uint64_t{1} << 63;
constexpr uint64_t kEpochStreams = uint64_t{1} << 62;
constexpr uint64_t kNoiseStreams = uint64_t{1} << 61;
constexpr uint64_t kDropoutStreams = uint64_t{1} << 60;

int32_t length_of(const ConversationSet& set, int64_t conversation) {
  return static_cast<int32_t>(set.offsets[conversation + 1] -
                              set.offsets[conversation]);
}

// Where the first of its spans ends, which is the only one unless it is a pair.
int64_t first_end(const ConversationSet& set, int64_t conversation) {
  return set.rejected.empty() ? set.offsets[conversation + 1]
                              : set.rejected[conversation];
}

int32_t longest_span(const ConversationSet& set, int64_t conversation) {
  const int64_t middle = first_end(set, conversation);
  return static_cast<int32_t>(std::max(middle - set.offsets[conversation],
                                       set.offsets[conversation + 1] - middle));
}

void add(BatchFiller& filler, const ConversationSet& set,
         int64_t conversation) {
  const auto add_span = [&](int64_t begin, int64_t end) {
    filler.add_conversation(
        std::span(set.tokens).subspan(begin, end - begin),
        std::span(set.is_output).subspan(begin, end - begin));
  };
  const int64_t middle = first_end(set, conversation);
  const int64_t end = set.offsets[conversation + 1];
  if (middle < end) filler.begin_pair(conversation);
  add_span(set.offsets[conversation], middle);
  if (middle < end) add_span(middle, end);
}

void check(const ConversationSet& set, int32_t room, int32_t max_length) {
  if (set.size() == 0)
    throw Error("no example fits into the context of {} tokens", max_length);
  for (int64_t i = 0; i < set.size(); ++i) {
    const int32_t length = length_of(set, i);
    if (longest_span(set, i) > max_length || length > room)
      throw UsageError(
          "an example of {} tokens cannot be placed: the context "
          "is {} and a batch has room for {}; raise --batch-tokens",
          length, max_length, room);
  }
}

// Bins of at most `room` tokens, first fit in the given order. Only the newest
// bins stay open, so that time is linear.
std::vector<std::vector<int64_t>> pack(const ConversationSet& set,
                                       std::span<const int64_t> order,
                                       int32_t room) {
  constexpr size_t kOpenBins = 64;
  std::vector<std::vector<int64_t>> bins;
  std::vector<int32_t> left;
  for (const int64_t conversation : order) {
    const int32_t length = length_of(set, conversation);
    size_t bin = bins.size() > kOpenBins ? bins.size() - kOpenBins : 0;
    while (bin < bins.size() && left[bin] < length) ++bin;
    if (bin == bins.size()) {
      bins.emplace_back();
      left.push_back(room);
    }
    bins[bin].push_back(conversation);
    left[bin] -= length;
  }
  return bins;
}

class InstructBatches : public BatchSource {
 public:
  InstructBatches(ConversationSet set, int32_t tokens_per_batch,
                  int32_t max_length, uint64_t seed, Replay replay)
      : set_(std::move(set)),
        tokens_per_batch_(tokens_per_batch),
        max_length_(max_length),
        seed_(seed),
        distilled_(replay.distilled),
        noise_(replay.noise),
        words_(std::move(replay.words)) {
    for (const int32_t word : words_) {
      const auto at = static_cast<size_t>(word);
      if (is_word_.size() <= at) is_word_.resize(at + 1);
      is_word_[at] = true;
    }
    int32_t room = tokens_per_batch;
    const auto take = [&](double share) {
      if (!(share >= 0 && share < 1))
        throw UsageError("the replay's share must be in [0, 1), not {}", share);
      const int32_t tokens = replay_room(share, tokens_per_batch);
      room -= tokens;
      return tokens;
    };
    const int32_t text_tokens = replay.texts ? take(replay.texts_share) : 0;
    const int32_t other_tokens =
        replay.conversations.size() > 0 ? take(replay.conversations_share) : 0;
    check(set_, room, max_length);
    if (text_tokens > 0)
      replay_.push_back(pretrain_batches(*std::move(replay.texts), text_tokens,
                                         max_length, seed));
    if (replay.distilled)
      std::ranges::fill(replay.conversations.is_output, uint8_t{1});
    if (other_tokens > 0)
      replay_.push_back(instruct_batches(std::move(replay.conversations),
                                         other_tokens, max_length, seed));
    std::vector<int64_t> order(set_.size());
    std::iota(order.begin(), order.end(), 0);
    Rng(seed_, kPackingStream).shuffle(std::span(order));
    bins_ = pack(set_, order, room);
    for (const auto& bin : bins_)
      for (const int64_t conversation : bin)
        of_length_[length_of(set_, conversation)].push_back(conversation);
    stand_in_.resize(set_.size());
    bin_order_.resize(bins_.size());
  }

  uint64_t batches_per_epoch() const override { return bins_.size(); }

  void batch(uint64_t index, Batch& out) const override {
    lay_out(index / bins_.size());
    BatchFiller filler(out, tokens_per_batch_, max_length_);
    for (const auto& source : replay_) {
      source->batch(index, replay_batch_);
      filler.add_batch(replay_batch_);
    }
    replace_words(index, out);
    if (distilled_) {
      out.distilled = static_cast<int32_t>(out.tokens.size());
      out.distilled_loss_tokens = out.loss_tokens;
    }
    for (const int64_t place : bins_[bin_order_[index % bins_.size()]])
      add(filler, set_, stand_in_[place]);
    filler.pad();
    out.seed = mix_bits(seed_, kDropoutStreams + index);
  }

 private:
  void replace_words(uint64_t index, Batch& out) const {
    if (noise_ == 0) return;
    Rng rng(seed_, kNoiseStreams + index);
    for (int32_t& token : out.tokens)
      if (static_cast<size_t>(token) < is_word_.size() && is_word_[token] &&
          rng.uniform() < noise_)
        token = words_[rng.below(words_.size())];
  }

  // The order of the bins in an epoch, and which conversation stands in the
  // place of which of the same length.
  void lay_out(uint64_t epoch) const {
    if (epoch == epoch_) return;
    Rng rng(seed_, kEpochStreams + epoch);
    std::iota(bin_order_.begin(), bin_order_.end(), 0);
    rng.shuffle(std::span(bin_order_));
    for (const auto& [length, places] : of_length_) {
      shuffled_ = places;
      rng.shuffle(std::span(shuffled_));
      for (size_t i = 0; i < places.size(); ++i)
        stand_in_[places[i]] = shuffled_[i];
    }
    epoch_ = epoch;
  }

  ConversationSet set_;
  int32_t tokens_per_batch_, max_length_;
  uint64_t seed_;
  bool distilled_;
  double noise_;
  std::vector<int32_t> words_;
  std::vector<bool> is_word_;
  std::vector<std::unique_ptr<BatchSource>> replay_;
  std::vector<std::vector<int64_t>> bins_;
  std::map<int32_t, std::vector<int64_t>> of_length_;
  mutable uint64_t epoch_ = std::numeric_limits<uint64_t>::max();  // laid out
  mutable std::vector<int64_t> bin_order_, stand_in_, shuffled_;
  mutable Batch replay_batch_;
};

}  // namespace

int32_t replay_room(double share, int32_t tokens_per_batch) {
  return static_cast<int32_t>(std::lround(share * tokens_per_batch));
}

std::unique_ptr<BatchSource> instruct_batches(ConversationSet conversations,
                                              int32_t tokens_per_batch,
                                              int32_t max_length, uint64_t seed,
                                              Replay replay) {
  return std::make_unique<InstructBatches>(std::move(conversations),
                                           tokens_per_batch, max_length, seed,
                                           std::move(replay));
}

std::vector<Batch> validation_batches(const ConversationSet& conversations,
                                      int32_t tokens_per_batch,
                                      int32_t max_length, int64_t max_batches) {
  check(conversations, tokens_per_batch, max_length);
  std::vector<int64_t> order(conversations.size());
  std::iota(order.begin(), order.end(), 0);
  auto bins = pack(conversations, order, tokens_per_batch);
  if (max_batches > 0 && static_cast<int64_t>(bins.size()) > max_batches)
    bins.resize(max_batches);
  std::vector<Batch> batches;
  for (const auto& bin : bins) {
    BatchFiller filler(batches.emplace_back(), tokens_per_batch, max_length);
    for (const int64_t conversation : bin)
      add(filler, conversations, conversation);
    filler.pad();
  }
  return batches;
}

}  // namespace seodang
