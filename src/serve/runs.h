// What training writes into folders, for the page: curves as they grow, what a
// fine-tune kept, and reports.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace seodang {

class Runs {
 public:
  // Folders below `root` with a metrics.jsonl, up to four levels deep. Throws
  // Error when it is no folder.
  explicit Runs(const std::filesystem::path& root);

  // {"runs": [{"name", "updated" (seconds since 1970), "forgetting"}],
  // "reports": [names of report.html]}, the latest first. Names are paths below
  // the root.
  std::string list() const;
  // {"lines": […], "next", "updated"}: the whole lines of metrics.jsonl from
  // byte `from` on, where to go on, and when it was written to.
  std::string metrics(std::string_view name, int64_t from) const;
  // The text of forgetting.json, or of a report.html.
  std::string forgetting(std::string_view name) const;
  std::string report(std::string_view name) const;
  // These throw ApiError (404) for a name that is not one of the list.

 private:
  std::filesystem::path find(std::string_view name, const char* file) const;

  std::filesystem::path root_;
};

}  // namespace seodang
