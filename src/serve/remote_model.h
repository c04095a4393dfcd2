// A model behind OpenAI's API on another server.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "generate/generation.h"
#include "tokenizer/chat_template.h"

namespace seodang {

// Where a command takes a MODEL: "http://HOST[:PORT]/v1#NAME", or https.
bool is_remote(std::string_view model);

struct RemoteAnswer {
  std::string text;
  StopReason stop = StopReason::length;
  // As the server counts; 0 where it does not say.
  int64_t prompt_tokens = 0, completion_tokens = 0;
  double seconds = 0;  // from the request on
};

// How often, and how long, an answer is waited for.
struct RemoteLimits {
  // Tries at a request that finds no server, or gets a 429 or a 5xx; between
  // them 1, 2, 4… seconds pass, or as many as the server says.
  int tries = 5;
  double first_pause = 1;  // seconds
  int connect_seconds = 10;
  int silence_seconds = 300;  // without a byte of the answer
};

// May be used by many threads at once.
class RemoteModel {
 public:
  // The API key is that of the environment's OPENAI_API_KEY, if it has one; it
  // is sent to no other machine without TLS, whose certificates are verified.
  // Throws UsageError when `address` is none.
  explicit RemoteModel(std::string_view address, RemoteLimits limits = {});

  const std::string& address() const { return address_; }

  // Hears text as it comes; returning false ends the answer.
  using OnText = std::function<bool(std::string_view)>;
  // Of the options the sampler's that OpenAI's API has, max_new_tokens and stop
  // are sent; others, and messages with tool
  // calls or names, are refused with UsageError. Throws Error naming the
  // address when there is no answer.
  RemoteAnswer complete(std::string_view prompt, const GenerateOptions& options,
                        const OnText& on_text = {}) const;
  RemoteAnswer chat(std::span<const Message> messages,
                    const GenerateOptions& options,
                    const OnText& on_text = {}) const;

 private:
  RemoteAnswer ask(const std::string& path, std::string body,
                   const OnText& on_text) const;

  std::string address_, server_, folder_, name_, key_;
  RemoteLimits limits_;
};

}  // namespace seodang
