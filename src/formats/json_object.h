// Strict reading of one part of tokenizer.json: a kind or an option that is not
// understood is refused by name, since a file half-understood gives wrong ids.
#pragma once

#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

// `value` as a message shows it: short.
std::string shown(const nlohmann::json& value);

// An object of the file. Every function throws Error "WHERE: …" for what does
// not fit. The JSON must outlive it.
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
  // The key may be absent, null, or one of `values`, which are JSON.
  void only_values(const char* key,
                   std::initializer_list<const char*> values) const;

  bool has(const char* key) const;  // and it is not null
  bool flag(const char* key, bool otherwise) const;
  int64_t integer(const char* key, int64_t least, int64_t most) const;
  const std::string& text(const char* key) const;
  std::string text_or(const char* key, const std::string& otherwise) const;
  const nlohmann::json& list(const char* key) const;
  const nlohmann::json& value(const char* key) const;  // null if absent

 private:
  const nlohmann::json& value_;
  std::string where_;
};

}  // namespace seodang
