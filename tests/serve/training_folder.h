// A folder as training leaves it.
#pragma once

#include <filesystem>

#include "base/files.h"

namespace seodang {

inline std::filesystem::path write_training_folder(
    const std::filesystem::path& root) {
  const auto run = root / "demo" / "tuned";
  std::filesystem::create_directories(run);
  std::string metrics;
  for (int step = 1; step <= 40; ++step)
    metrics += fmt::format(
        R"({{"step":{},"tokens":{},"loss":{:.3f},"learning_rate":0.001,)"
        R"("tokens_per_second":{}}})"
        "\n",
        step, step * 1024, 5.0 / step + 1, 20000 + 10 * step);
  metrics +=
      "{\"step\":40,\"validation_loss\":1.2,\"probe\":0.9}\n"
      "{\"step\":40,\"prompt\":\"대한민국의 "
      "수도는\",\"sample\":\"<b>서울</b>\"}\n"
      "{\"step\":41,\"half";
  write_file(run / "metrics.jsonl", metrics);
  write_file(run / "forgetting.json", R"({"budget":0.98,"met":true,"kept":0.985,
    "task":{"form":[0.1,0.99,0.85,0.93]},
    "general":{"heldout.ko":{"correct":[0.8,0.79,0.9875]},
               "general":{"perplexity":[140.1,141.9,0.987]}},
    "delta":{},"lost":[],"won":[],
    "frontier":[{"step":20,"share":1,"task":0.8,"kept":0.97,"chosen":false},
                {"step":40,"share":0.9,"task":0.99,"kept":0.985,"chosen":true}]})");
  write_file(root / "demo" / "report.html", "<!doctype html><title>r</title>");
  return root;
}

}  // namespace seodang
