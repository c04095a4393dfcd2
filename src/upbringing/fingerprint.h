// What a file or directory holds, as one short text: equal contents give equal
// fingerprints wherever and whenever they were written.
#pragma once

#include <filesystem>
#include <string>

namespace seodang {

// 32 hexadecimal digits. Of a file: its bytes. Of a directory: the relative
// paths and bytes of all its regular files, leaving out what records how the
// work went and not what came of it: metrics.jsonl and checkpoint-*/. Throws
// Error when the path does not exist.
std::string fingerprint(const std::filesystem::path& path);

}  // namespace seodang
