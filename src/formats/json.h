// JSON from files of unknown origin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace seodang {

// Parses `text`. Throws Error "NAME:LINE: …" when it is not JSON, not UTF-8, or
// nested deeper than `max_depth`. `name` is the file, for the message.
nlohmann::json parse_json(std::string_view text, std::string_view name,
                          int max_depth = 100);
// The same, with the keys of objects in the order of the text.
nlohmann::ordered_json parse_ordered_json(std::string_view text,
                                          std::string_view name,
                                          int max_depth = 100);

// Reads and parses a file; one larger than `max_bytes` is refused.
nlohmann::json read_json(const std::filesystem::path& path,
                         uint64_t max_bytes = uint64_t{256} << 20);

// The beginning of a foreign text, as a message may print it: in quotes, one
// line, valid UTF-8.
std::string quoted(const std::string& text);

}  // namespace seodang
