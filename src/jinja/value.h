// The values of a Jinja template: Python's, as far as chat templates need them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace seodang::jinja {

class Value;
struct List;
struct Dict;
struct Arguments;

struct Undefined {
  std::string name;  // what was looked for, for messages
};
struct None {};
// A whole number above INT64_MAX, which can be written, compared, and computed
// with as a float.
struct LargeInteger {
  uint64_t value;
};
using Function = std::function<Value(const Arguments&)>;

// Copies share strings, lists, dicts and functions. Only namespaces ever
// change.
class Value {
 public:
  using Data =
      std::variant<Undefined, None, bool, int64_t, LargeInteger, double,
                   std::shared_ptr<const std::string>, std::shared_ptr<List>,
                   std::shared_ptr<Dict>, std::shared_ptr<Function>>;

  Value() : data_(Undefined{}) {}
  Value(Undefined value) : data_(std::move(value)) {}
  Value(None) : data_(None{}) {}
  Value(bool value) : data_(value) {}
  Value(int64_t value) : data_(value) {}
  Value(LargeInteger value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(std::string value)
      : data_(std::make_shared<const std::string>(std::move(value))) {}
  Value(std::string_view value) : Value(std::string(value)) {}
  Value(const char* value) : Value(std::string(value)) {}
  Value(std::vector<Value> items);  // throws Error when nested too deep
  Value(Dict dict);                 // likewise
  Value(Function function);
  // What select, map and their kin give in Python: it can be gone through, but
  // has no length and no elements, and is always true.
  static Value generator(std::vector<Value> items);
  static Value tuple(std::vector<Value> items);

  bool is_undefined() const { return holds<Undefined>(); }
  bool is_none() const { return holds<None>(); }
  bool is_bool() const { return holds<bool>(); }
  bool is_int() const { return holds<int64_t>(); }
  bool is_large() const { return holds<LargeInteger>(); }
  bool is_float() const { return holds<double>(); }
  bool is_number() const {
    return is_int() || is_float() || is_bool() || is_large();
  }
  bool is_string() const { return holds<std::shared_ptr<const std::string>>(); }
  bool is_list() const { return holds<std::shared_ptr<List>>(); }
  bool is_generator() const;  // a list, too
  bool is_tuple() const;      // likewise
  bool is_dict() const { return holds<std::shared_ptr<Dict>>(); }
  bool is_function() const { return holds<std::shared_ptr<Function>>(); }

  // Each throws Error when the value is of another type.
  const std::string& string() const;
  const std::vector<Value>& list() const;
  const Dict& dict() const;
  Dict& mutable_dict() const;  // of a namespace
  const Function& function() const;
  int64_t integer() const;  // also of a bool
  double number() const;    // of any number

  bool truthy() const;
  const char* type_name() const;  // "a string", "a list", … for messages
  int depth() const;              // of nested lists and dicts
  // Bytes it takes to write or compare it, at least; what it holds several
  // times counts as often. Never more than a quarter of what uint64_t holds.
  uint64_t weight() const;

  const Data& data() const { return data_; }

 private:
  template <class T>
  bool holds() const {
    return std::holds_alternative<T>(data_);
  }
  Data data_;
};

struct List {
  std::vector<Value> items;
  int depth;
  uint64_t weight;
  enum class Kind { list, tuple, generator } kind = Kind::list;
};

// Keeps the order of insertion.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;  // keys: text or numbers
  bool is_namespace = false;
  int depth = 1;
  uint64_t weight = 32;

  const Value* find(std::string_view key) const;
  const Value* find(const Value& key) const;
  // Throws when nested too deep, or the key is a list or a mapping.
  void set(const Value& key, Value value);
};

// What a template may still do before it is stopped: steps of the evaluator,
// and bytes made or read. It grows with what the template is given, so that a
// long conversation is no crime.
class Budget {
 public:
  explicit Budget(uint64_t weight_of_variables);
  // Each throws Error when it is spent.
  void step();
  void charge(uint64_t bytes);

 private:
  uint64_t steps_, bytes_;
};

struct Arguments {
  Budget& budget;
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  size_t size() const { return positional.size() + named.size(); }
  // By position or name; nullptr when it was not given.
  const Value* get(size_t position, std::string_view name) const;
};

bool equal(const Value& a, const Value& b);
bool less(const Value& a, const Value& b);  // throws Error for unlike types
bool contains(const Value& container, const Value& item);

// The functions above and below go through a value as often as it is held:
// charge its weight() before.
std::string to_text(const Value& value);  // Python's str()

struct JsonStyle {  // of json.dumps
  int indent = -1;  // below 0: one line
  bool ensure_ascii = false, sort_keys = false;
  std::string item_separator, key_separator = ": ";
};
std::string to_json(const Value& value, const JsonStyle& style);
Value from_json(const nlohmann::ordered_json& json);

}  // namespace seodang::jinja
