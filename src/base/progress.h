// One line that tells how a long job is going: redrawn in place on a terminal,
// a fresh line every few seconds in a log. Written to stderr.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace seodang {

class Progress {
 public:
  // `label` begins each line; `total` is the number of steps of the whole job,
  // `done` how many were done before this process began. One that is not
  // `shown` only tells the time.
  Progress(std::string label, int64_t total, int64_t done = 0,
           bool shown = true);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Shows `done` of total, `details` and the time left, when it is time to.
  void update(int64_t done, std::string_view details);
  void set_total(int64_t total) { total_ = total; }
  // Prints a line of its own above the progress line.
  void note(std::string_view text);
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  std::string label_;
  int64_t total_, first_;
  bool visible_, terminal_, drawn_ = false;
  Clock::time_point start_, shown_;
};

// "2:05", "1:02:05": hours only when there are any.
std::string show_duration(double seconds);
// "12.3 MB", in powers of ten.
std::string show_bytes(double bytes);

}  // namespace seodang
