#include "base/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "base/utf8.h"

namespace seodang {
namespace {

int columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0
             ? size.ws_col
             : 80;
}

std::string_view first_characters(std::string_view text, int count) {
  size_t at = 0;
  while (count-- > 0 && at < text.size())
    at += std::max<size_t>(utf8_character_size(text.substr(at)), 1);
  return text.substr(0, at);
}

}  // namespace

Progress::Progress(std::string label, int64_t total, int64_t done, bool shown)
    : label_(std::move(label)),
      total_(total),
      first_(done),
      visible_(shown),
      terminal_(::isatty(STDERR_FILENO) != 0),
      start_(Clock::now()) {}

Progress::~Progress() {
  if (drawn_) fmt::print(stderr, "\n");
}

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

void Progress::update(int64_t done, std::string_view details) {
  if (!visible_) return;
  const auto now = Clock::now();
  const double pause = terminal_ ? 0.2 : 10;
  const bool last = done >= total_;
  if (!last && shown_ != Clock::time_point() &&
      std::chrono::duration<double>(now - shown_).count() < pause)
    return;
  shown_ = now;
  const double rate = static_cast<double>(done - first_) / seconds();
  const double left =
      rate > 0 ? static_cast<double>(total_ - done) / rate : 0.0;
  std::string line =
      fmt::format("{} {}/{}  {} left  {}", label_, done, total_,
                  done > first_ ? show_duration(left) : "?", details);
  if (terminal_) {
    // A line that is wrapped cannot be drawn over: what matters least is cut
    // off. All but names is ASCII.
    line = std::string(first_characters(line, columns() - 1));
    fmt::print(stderr, "\r\x1b[K{}", line);
    drawn_ = true;
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
}

void Progress::note(std::string_view text) {
  if (!visible_) return;
  if (drawn_) fmt::print(stderr, "\r\x1b[K");
  fmt::print(stderr, "{}\n", text);
  drawn_ = false;
}

std::string show_duration(double seconds) {
  const int64_t s = std::max<int64_t>(0, std::llround(seconds));
  if (s >= 3600)
    return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

std::string show_bytes(double bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < std::size(kUnits)) {
    bytes /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", bytes, unit == 0 ? 0 : 1, kUnits[unit]);
}

}  // namespace seodang
