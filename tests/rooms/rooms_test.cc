// The order of the house, read off the #include lines: a room looks only at
// rooms below it, and public headers stay light.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

// Libraries' headers that are slow to compile.
constexpr std::array<std::string_view, 6> kHeavy = {
    "nlohmann/json.hpp", "simdjson.h", "toml++/toml.h", "oneapi/dnnl/dnnl.hpp",
    "hwy/highway.h"};

struct Include {
  fs::path file;
  int line = 0;
  std::string name;  // what stands between the quotes or brackets

  std::string where() const {
    return file.string() + ":" + std::to_string(line);
  }
};

fs::path source_root() { return fs::path(SEODANG_SOURCE_DIR) / "src"; }

// Ground floor first, as the line of ARCHITECTURE.md that begins with "base".
const std::vector<std::string>& rooms() {
  static const std::vector<std::string> names = [] {
    std::ifstream file(fs::path(SEODANG_SOURCE_DIR) / "ARCHITECTURE.md");
    std::vector<std::string> out;
    for (std::string line; std::getline(file, line);) {
      if (!line.starts_with("    base tensor ")) continue;
      std::istringstream words(line);
      for (std::string word; words >> word;) out.push_back(word);
    }
    return out;
  }();
  return names;
}

size_t floor_of(std::string_view room) {
  return static_cast<size_t>(std::ranges::find(rooms(), room) -
                             rooms().begin());
}

std::string room_of(const std::string& path) {
  return path.substr(0, path.find('/'));
}

const std::vector<fs::path>& sources() {
  static const std::vector<fs::path> files = [] {
    std::vector<fs::path> found;
    const fs::path root = source_root();
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const auto extension = entry.path().extension();
      if (extension == ".cc" || extension == ".h")
        found.push_back(fs::relative(entry.path(), root));
    }
    std::ranges::sort(found);
    return found;
  }();
  return files;
}

std::vector<Include> includes_of(const fs::path& file) {
  static const std::regex pattern(R"(^\s*#\s*include\s*["<]([^">]+)[">].*)");
  std::ifstream in(source_root() / file);
  std::vector<Include> out;
  std::string text;
  std::smatch match;
  for (int line = 1; std::getline(in, text); ++line)
    if (std::regex_match(text, match, pattern))
      out.push_back({file, line, match[1]});
  return out;
}

TEST(Rooms, EverySourceStandsInARoom) {
  EXPECT_GT(sources().size(), 50u);
  std::set<std::string> used;
  for (const fs::path& file : sources()) used.insert(room_of(file.string()));
  EXPECT_EQ(used, std::set<std::string>(rooms().begin(), rooms().end()));
  for (const fs::path& file : sources())
    EXPECT_LT(floor_of(room_of(file.string())), rooms().size()) << file;
}

TEST(Rooms, ARoomIncludesOnlyRoomsBelowIt) {
  for (const fs::path& file : sources()) {
    const size_t own = floor_of(room_of(file.string()));
    for (const Include& include : includes_of(file)) {
      if (include.name.find('/') == std::string::npos) continue;
      const size_t other = floor_of(room_of(include.name));
      if (other == rooms().size()) continue;  // another library's
      EXPECT_LE(other, own)
          << include.where() << " looks up at " << include.name;
    }
  }
}

// A heavy header (a library's, or ours that includes one) is included by .cc
// files alone, and ours only by those of its own room.
TEST(Rooms, HeadersAreLight) {
  std::vector<std::string> heavy(kHeavy.begin(), kHeavy.end());
  const auto is_heavy = [&](const Include& include) {
    return std::ranges::find(heavy, include.name) != heavy.end();
  };
  for (const fs::path& file : sources())
    if (file.extension() == ".h" &&
        std::ranges::any_of(includes_of(file), is_heavy))
      heavy.push_back(file.string());
  for (const fs::path& file : sources())
    for (const Include& include : includes_of(file)) {
      if (!is_heavy(include) || !fs::exists(source_root() / include.name))
        continue;
      EXPECT_EQ(file.extension(), ".cc")
          << include.where() << " includes " << include.name;
      EXPECT_EQ(room_of(file.string()), room_of(include.name))
          << include.where() << " includes " << include.name;
    }
}

std::string text_of(const fs::path& file) {
  std::ifstream in(source_root() / file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Functions that are declared or defined at the beginning of a line.
std::set<std::string> functions_in(const std::string& text) {
  static const std::regex pattern(
      R"(^(?!return|using|struct|class|enum|template|namespace)[A-Za-z_][\w:<>,* &]*[ &*](\w+)\()",
      std::regex::multiline);
  std::set<std::string> out;
  for (std::sregex_iterator at(text.begin(), text.end(), pattern), end;
       at != end; ++at)
    out.insert((*at)[1]);
  return out;
}

// A room is compiled as one: a function in an anonymous namespace would hide
// one that a header declares, in the sources that come after it too.
TEST(Rooms, NothingPrivateHidesWhatIsPublic) {
  static const std::string kBegin = "\nnamespace {\n",
                           kEnd = "\n}  // namespace\n";
  std::map<std::string, size_t> declared;  // in which room, by floor
  size_t seen = 0;
  for (const fs::path& file : sources()) {
    const std::string text = text_of(file);
    // The template language is a namespace of its own, kernels are compiled
    // apart.
    if (file.extension() != ".h" || room_of(file.string()) == "jinja" ||
        file.string().ends_with("-inl.h"))
      continue;
    const size_t own = floor_of(room_of(file.string()));
    for (const std::string& name : functions_in(text)) {
      const auto [at, added] = declared.emplace(name, own);
      at->second = std::min(at->second, own);
    }
  }
  for (const fs::path& file : sources()) {
    const size_t own = floor_of(room_of(file.string()));
    const std::string text = text_of(file);
    if (file.extension() != ".cc" || room_of(file.string()) == "kernels" ||
        room_of(file.string()) == "jinja")
      continue;
    for (size_t at = 0; (at = text.find(kBegin, at)) != text.npos;) {
      const size_t end = text.find(kEnd, at);
      for (const std::string& name : functions_in(text.substr(at, end - at))) {
        const auto found = declared.find(name);
        EXPECT_TRUE(found == declared.end() || found->second > own)
            << file << ": " << name << " is also a function of a header";
        ++seen;
      }
      at = end;
    }
  }
  EXPECT_GT(seen, 300U);
}

TEST(Rooms, EveryHeaderIsIncludedOnce) {
  for (const fs::path& file : sources()) {
    // Highway's -inl.h files are compiled once for each target.
    if (file.extension() != ".h" || file.string().ends_with("-inl.h")) continue;
    EXPECT_NE(text_of(file).find("#pragma once\n"), std::string::npos) << file;
  }
}

}  // namespace
