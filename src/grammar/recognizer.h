// Reads a text byte by byte against a grammar. What may still come is a set of
// positions, each with the rules that wait behind it: a pushdown automaton made
// deterministic while it runs, as far as it is asked.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "grammar/grammar.h"

namespace seodang {

class Recognizer {
 public:
  // A place in the text, the same number wherever the same may follow.
  using State = int32_t;
  static constexpr State kNone = -1;  // nothing of the grammar begins so

  // The grammar must outlive it. Throws Error when it has no text, and, as
  // next() does, when too many ways are open at once.
  explicit Recognizer(const Grammar& grammar);

  State start() const { return 0; }
  State next(State state, uint8_t byte);
  bool may_end(State state) const { return at(state).may_end; }
  bool may_go_on(State state) const { return !at(state).positions.empty(); }

  // All other states are forgotten and this one is numbered anew, once there
  // are many: memory stays bounded however long a text becomes. Returns its
  // number.
  State keep(State state);

 private:
  // What follows when the node below is read: the rest of a sequence from
  // `index` on, or what a repeat has left after `index` times.
  struct Frame {
    Grammar::Node node;
    int32_t index, parent;  // parent: another frame, or kNone: the end
    auto operator<=>(const Frame&) const = default;  // NOLINT: its own zero
  };
  struct Position {
    Grammar::Node bytes;
    int32_t parent;
    auto operator<=>(const Position&) const = default;  // NOLINT: as above
  };
  struct Place {
    std::vector<Position> positions;  // sorted
    bool may_end = false;
    std::unique_ptr<std::array<State, 256>> next;
  };
  class Closure;

  const Place& at(State state) const {
    return places_[static_cast<size_t>(state)];
  }
  int32_t frame(const Frame& frame);
  State intern(std::vector<Position> positions, bool may_end);
  int32_t moved(const std::vector<Frame>& from, int32_t frame,
                std::map<int32_t, int32_t>& done);

  const Grammar& grammar_;
  const std::vector<bool> productive_;
  std::vector<Frame> frames_;
  std::map<Frame, int32_t> frame_ids_;
  std::vector<Place> places_;
  std::map<std::pair<std::vector<Position>, bool>, State> place_ids_;
};

}  // namespace seodang
