// Strict reading of a JSON object from unknown hands: every complaint names the
// file and the key. What is not understood is refused by name, since a file
// half-understood gives wrong numbers.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

// `value` as a message shows it: short.
std::string shown(const nlohmann::json& value);

// Every function throws Error "WHERE: KEY …" for what does not fit; `where` is
// the file, with the line or the part of it. The JSON must outlive it. A key
// that is null counts as absent.
class JsonObject {
 public:
  JsonObject(const nlohmann::json& value, std::string where);
  // A part that says its kind in "type", which becomes part of `where`.
  static JsonObject typed(const nlohmann::json& value,
                          const std::string& where);

  const std::string& where() const { return where_; }
  const std::string& type() const { return text("type"); }
  [[noreturn]] void refuse() const;  // "WHERE is not supported"

  void only_keys(std::initializer_list<std::string_view> keys) const;
  // The key may be absent, or one of `values`, which are JSON.
  void only_values(const char* key,
                   std::initializer_list<const char*> values) const;

  bool has(const char* key) const;
  bool flag(const char* key, bool otherwise) const;
  int64_t integer(const char* key, int64_t least, int64_t most) const;
  double positive(const char* key) const;  // finite, above 0
  double positive(const char* key, double otherwise) const;
  const std::string& text(const char* key) const;
  std::string text_or(const char* key, const std::string& otherwise) const;
  // A list of texts, none of them empty; empty when the key is absent.
  std::vector<std::string> texts(const char* key) const;
  // A token id or a list of them; empty when the key is absent.
  std::vector<int32_t> token_ids(const char* key) const;
  const nlohmann::json& list(const char* key) const;
  const nlohmann::json& value(const char* key) const;  // null if absent

 private:
  void need(const char* key) const;
  const nlohmann::json& value_;
  std::string where_;
};

}  // namespace seodang
