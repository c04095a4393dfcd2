#include "serve/runs.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "serve/request.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kMetrics = "metrics.jsonl";
constexpr const char* kForgetting = "forgetting.json";
constexpr const char* kReport = "report.html";

struct Found {
  std::string name;
  fs::file_time_type updated;
};

// Below a root the folders that have `file`, the latest first.
std::vector<Found> folders_with(const fs::path& root, const char* file) {
  constexpr int kDeepest = 4;
  std::vector<Found> out;
  std::error_code error;
  const auto look = [&](const fs::path& folder) {
    const auto updated = fs::last_write_time(folder / file, error);
    if (!error)
      out.push_back({fs::relative(folder, root, error).string(), updated});
  };
  look(root);
  fs::recursive_directory_iterator entries(
      root, fs::directory_options::skip_permission_denied, error);
  while (!error && entries != fs::recursive_directory_iterator()) {
    if (entries->is_directory(error) && !entries->is_symlink(error))
      look(entries->path());
    if (entries.depth() + 1 >= kDeepest) entries.disable_recursion_pending();
    entries.increment(error);
  }
  std::ranges::sort(out, [](const Found& a, const Found& b) {
    return a.updated != b.updated ? a.updated > b.updated : a.name < b.name;
  });
  return out;
}

int64_t seconds_since_1970(fs::file_time_type time) {
  const auto system = std::chrono::file_clock::to_sys(time);
  return std::chrono::duration_cast<std::chrono::seconds>(
             system.time_since_epoch())
      .count();
}

}  // namespace

Runs::Runs(const fs::path& root) : root_(root) {
  if (!fs::is_directory(root))
    throw Error("{}: no folder; --runs wants one in which training writes",
                root.string());
}

std::string Runs::list() const {
  ordered_json out = {{"runs", ordered_json::array()},
                      {"reports", ordered_json::array()}};
  for (const Found& run : folders_with(root_, kMetrics))
    out["runs"].push_back(
        {{"name", run.name},
         {"updated", seconds_since_1970(run.updated)},
         {"forgetting", fs::exists(root_ / run.name / kForgetting)}});
  for (const Found& report : folders_with(root_, kReport))
    out["reports"].push_back(report.name);
  return out.dump();
}

fs::path Runs::find(std::string_view name, const char* file) const {
  const auto folders = folders_with(root_, file);
  if (std::ranges::find(folders, name, &Found::name) == folders.end())
    throw ApiError(404, fmt::format("there is no {} in that folder", file),
                   "name");
  return root_ / name / file;
}

std::string Runs::metrics(std::string_view name, int64_t from) const {
  const fs::path path = find(name, kMetrics);
  std::ifstream file(path, std::ios::binary);
  file.seekg(from);
  std::string text(std::istreambuf_iterator<char>(file), {});
  // The last one may be half written.
  text.resize(text.rfind('\n') + 1);
  ordered_json lines = ordered_json::array();
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    ordered_json line = ordered_json::parse(
        text.begin() + static_cast<std::ptrdiff_t>(at),
        text.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (!line.is_discarded()) lines.push_back(std::move(line));
    at = end + 1;
  }
  return ordered_json{
      {"lines", std::move(lines)},
      {"next", from + static_cast<int64_t>(text.size())},
      {"updated", seconds_since_1970(fs::last_write_time(path))}}
      .dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

std::string Runs::forgetting(std::string_view name) const {
  return read_file(find(name, kForgetting));
}

std::string Runs::report(std::string_view name) const {
  return read_file(find(name, kReport));
}

}  // namespace seodang
