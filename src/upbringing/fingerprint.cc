#include "upbringing/fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/files.h"
#include "data/duplicates.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;

std::string hash_of(std::string_view bytes) {
  const Hash128 hash = hash_text(bytes);
  return fmt::format("{:016x}{:016x}", hash.high, hash.low);
}

bool is_record(const fs::path& relative) {
  const std::string top = relative.begin()->string();
  return top == "metrics.jsonl" || top.starts_with("checkpoint-");
}

}  // namespace

std::string fingerprint(const fs::path& path) {
  if (!fs::is_directory(path)) return hash_of(MappedFile(path).text());
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    const fs::path relative = entry.path().lexically_relative(path);
    if (entry.is_regular_file() && !is_record(relative))
      files.push_back(relative);
  }
  std::sort(files.begin(), files.end());
  std::string listing;
  for (const fs::path& file : files)
    listing += file.generic_string() + '\0' + fingerprint(path / file);
  return hash_of(listing);
}

}  // namespace seodang
