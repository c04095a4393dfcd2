// What was woven, read back.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace seodang {

namespace fs = std::filesystem;
using nlohmann::json;

inline fs::path scratch(const std::string& name) {
  const fs::path path = fs::path(testing::TempDir()) / ("weaver-" + name);
  fs::remove_all(path);
  fs::create_directories(path);
  return path;
}

inline std::vector<json> lines(const fs::path& path) {
  std::vector<json> result;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    result.push_back(json::parse(line));
  return result;
}

// A suite's settings are no item of it.
inline std::vector<json> items_of(const fs::path& suite) {
  std::vector<json> result = lines(suite);
  if (!result.empty() && result[0].contains("style"))
    result.erase(result.begin());
  return result;
}

}  // namespace seodang
