#include "cli/training_summary.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/progress.h"
#include "train/ranks.h"

namespace seodang {

void print_summary(const TrainSummary& s, const std::filesystem::path& output,
                   bool json, const nlohmann::ordered_json& more) {
  if (!Ranks::world().root()) return;
  const bool validated = s.validation_loss != 0;
  if (json) {
    nlohmann::ordered_json out = {{"output", output.string()}};
    visit_summary(
        s, [&](const char* name, const auto& value) { out[name] = value; });
    if (!validated) out["validation_loss"] = nullptr;
    if (!more.empty()) out.update(more);
    fmt::print("{}\n", out.dump(2));
    return;
  }
  fmt::print(
      "{}: {} steps, {} tokens in {} ({:.0f} tokens/s, {:.0f}% of the "
      "products' "
      "peak), loss {:.4f}, {}peak memory {}\n",
      output.string(), s.steps, s.tokens, show_duration(s.seconds),
      s.tokens_per_second, 100 * s.peak_share, s.train_loss,
      validated ? fmt::format("validation {:.4f}, ", s.validation_loss) : "",
      show_bytes(static_cast<double>(s.peak_memory)));
  if (s.examples.dropped + s.examples.truncated > 0)
    fmt::print("{} examples were too long and left out, {} were cut\n",
               s.examples.dropped, s.examples.truncated);
}

}  // namespace seodang
