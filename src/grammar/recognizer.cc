#include "grammar/recognizer.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"

namespace seodang {
namespace {

constexpr Recognizer::State kUnknown = -2;
constexpr size_t kMostPositions = 2000, kMostSteps = 20000, kManyPlaces = 8192;

}  // namespace

// The bytes' nodes that come next, reached without reading anything.
class Recognizer::Closure {
 public:
  explicit Closure(Recognizer& of) : of_(of) {}

  // `node` comes next, and then `parent`.
  void enter(Grammar::Node node, int32_t parent) {
    todo_.push_back({node, 0, parent});
    run();
  }
  // What stands below `frame` was read.
  void leave(int32_t frame) {
    follow(frame);
    run();
  }

  State state() {
    std::vector<Position> positions(positions_.begin(), positions_.end());
    if (positions.empty() && !may_end_) return kNone;
    return of_.intern(std::move(positions), may_end_);
  }

 private:
  // A list of what is left to do, so that no grammar can use up the stack.
  void run() {
    while (!todo_.empty()) {
      const Frame next = todo_.back();
      todo_.pop_back();
      // From what has no text, nothing leads to an end.
      if (!of_.productive_[static_cast<size_t>(next.node)]) continue;
      if (!seen_.insert(next).second) continue;
      if (seen_.size() > kMostSteps || positions_.size() > kMostPositions)
        throw Error("the grammar leaves too many ways open at once");
      visit(next);
    }
  }

  void visit(const Frame& at) {
    const Grammar::NodeData& node = of_.grammar_[at.node];
    switch (node.kind) {
      case Grammar::Kind::bytes:
        positions_.insert({at.node, at.parent});
        break;
      case Grammar::Kind::rule:
      case Grammar::Kind::choice:
        for (const Grammar::Node child : node.children)
          todo_.push_back({child, 0, at.parent});
        break;
      case Grammar::Kind::sequence: {
        const auto index = static_cast<size_t>(at.index);
        if (index == node.children.size()) {
          follow(at.parent);
        } else {
          // Nothing waits behind the last part but what waits behind all.
          const bool is_last = index + 1 == node.children.size();
          todo_.push_back(
              {node.children[index], 0,
               is_last ? at.parent
                       : of_.frame({at.node, at.index + 1, at.parent})});
        }
        break;
      }
      case Grammar::Kind::repeat: {
        if (at.index >= node.least) follow(at.parent);
        if (at.index == node.most) break;
        const bool is_last = at.index + 1 == node.most;
        const int32_t count = node.most == Grammar::kUnlimited
                                  ? std::min(at.index + 1, node.least)
                                  : at.index + 1;
        todo_.push_back(
            {node.children[0], 0,
             is_last ? at.parent : of_.frame({at.node, count, at.parent})});
        break;
      }
    }
  }

  void follow(int32_t frame) {
    if (frame == kNone)
      may_end_ = true;
    else
      todo_.push_back(of_.frames_[static_cast<size_t>(frame)]);
  }

  Recognizer& of_;
  std::vector<Frame> todo_;
  std::set<Frame> seen_;
  std::set<Position> positions_;
  bool may_end_ = false;
};

Recognizer::Recognizer(const Grammar& grammar)
    : grammar_(grammar), productive_(grammar.productive()) {
  Closure closure(*this);
  closure.enter(grammar.root(), kNone);
  if (closure.state() == kNone) throw Error("the grammar has no text");
}

Recognizer::State Recognizer::next(State state, uint8_t byte) {
  auto& cache = places_[static_cast<size_t>(state)].next;
  if (!cache) {
    cache = std::make_unique<std::array<State, 256>>();
    cache->fill(kUnknown);
  }
  if ((*cache)[byte] != kUnknown) return (*cache)[byte];
  Closure closure(*this);
  for (const Position& position : at(state).positions)
    if (grammar_[position.bytes].any_of[byte]) closure.leave(position.parent);
  const State out = closure.state();
  // intern() may have moved the places.
  (*places_[static_cast<size_t>(state)].next)[byte] = out;
  return out;
}

Recognizer::State Recognizer::keep(State state) {
  if (places_.size() < kManyPlaces) return state;
  const std::vector<Frame> frames = std::exchange(frames_, {});
  Place place = std::move(places_[static_cast<size_t>(state)]);
  frame_ids_.clear();
  places_.clear();
  place_ids_.clear();
  std::map<int32_t, int32_t> done;
  for (Position& position : place.positions)
    position.parent = moved(frames, position.parent, done);
  std::ranges::sort(place.positions);
  return intern(std::move(place.positions), place.may_end);
}

// A frame and all that waits behind it, in the new list.
int32_t Recognizer::moved(const std::vector<Frame>& from, int32_t frame,
                          std::map<int32_t, int32_t>& done) {
  std::vector<int32_t> chain;
  while (frame != kNone && !done.contains(frame)) {
    chain.push_back(frame);
    frame = from[static_cast<size_t>(frame)].parent;
  }
  int32_t parent = frame == kNone ? kNone : done[frame];
  for (auto old = chain.rbegin(); old != chain.rend(); ++old) {
    Frame copy = from[static_cast<size_t>(*old)];
    copy.parent = parent;
    parent = done[*old] = this->frame(copy);
  }
  return parent;
}

int32_t Recognizer::frame(const Frame& frame) {
  const auto [found, is_new] =
      frame_ids_.emplace(frame, static_cast<int32_t>(frames_.size()));
  if (is_new) frames_.push_back(frame);
  return found->second;
}

Recognizer::State Recognizer::intern(std::vector<Position> positions,
                                     bool may_end) {
  const auto [found, is_new] = place_ids_.emplace(
      std::pair(positions, may_end), static_cast<State>(places_.size()));
  if (is_new) places_.push_back({std::move(positions), may_end, nullptr});
  return found->second;
}

}  // namespace seodang
