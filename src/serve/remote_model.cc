#include "serve/remote_model.h"

#include <httplib.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/utf8.h"
#include "formats/json.h"
#include "serve/host.h"

namespace seodang {
namespace {

using json = nlohmann::ordered_json;

// What is behind "https://" or "http://".
std::string_view behind_scheme(std::string_view address) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (address.starts_with(scheme)) return address.substr(scheme.size());
  return "";
}

// TLS says good-bye to servers that have closed their end already; that shall
// not end the program.
class NoBrokenPipe {
 public:
  NoBrokenPipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoBrokenPipe() {
    const timespec now{};
    sigtimedwait(&pipe_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoBrokenPipe(const NoBrokenPipe&) = delete;
  NoBrokenPipe& operator=(const NoBrokenPipe&) = delete;

 private:
  sigset_t pipe_, before_;
};

// Events of a stream, or one whole answer: some servers send no stream.
class AnswerReader {
 public:
  AnswerReader(RemoteAnswer& answer, const RemoteModel::OnText& on_text)
      : answer_(answer), on_text_(on_text) {}

  // False when no more is wanted.
  bool push(std::string_view bytes) {
    held_ += bytes;
    for (size_t end = 0; (end = held_.find('\n')) != std::string::npos;) {
      std::string line = held_.substr(0, end);
      held_.erase(0, end + 1);
      if (line.ends_with('\r')) line.pop_back();
      constexpr std::string_view kData = "data:";
      if (!line.starts_with(kData)) {
        whole_ += line;
        continue;
      }
      const std::string_view data = std::string_view(line).substr(kData.size());
      if (data.find('{') == data.npos) continue;  // [DONE]
      if (!read(data)) return false;
    }
    constexpr size_t kMost = size_t{64} << 20;
    if (held_.size() + whole_.size() > kMost)
      throw Error("the answer is longer than {} MB", kMost >> 20);
    return true;
  }
  void finish() {
    whole_ += held_;
    if (whole_.find('{') != std::string::npos) read(whole_);
  }
  bool any_text() const { return !answer_.text.empty(); }

 private:
  bool read(std::string_view data) {
    const json event = parse_ordered_json(data, "answer");
    if (!event.is_object()) return true;
    if (const json error = event.value("error", json()); error.is_object())
      throw Error("{}", replace_invalid_utf8(
                            error.value("message", json("an error")).dump()));
    const json usage = event.value("usage", json());
    if (usage.is_object()) {
      const auto count = [&](const char* key) {
        const json value = usage.value(key, json());
        return value.is_number_unsigned() ? value.get<int64_t>() : 0;
      };
      answer_.prompt_tokens = count("prompt_tokens");
      answer_.completion_tokens = count("completion_tokens");
    }
    const json choices = event.value("choices", json());
    if (!choices.is_array() || choices.empty() || !choices[0].is_object())
      return true;
    const json& choice = choices[0];
    if (const json reason = choice.value("finish_reason", json());
        reason.is_string())
      answer_.stop = reason == "length" ? StopReason::length : StopReason::eos;
    for (const char* key : {"delta", "message"}) {
      const json part = choice.value(key, json());
      if (part.is_object() && !take(part.value("content", json())))
        return false;
    }
    return take(choice.value("text", json()));
  }

  bool take(const json& text) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty())
      return true;
    answer_.text += text.get_ref<const std::string&>();
    return !on_text_ || on_text_(text.get_ref<const std::string&>());
  }

  RemoteAnswer& answer_;
  const RemoteModel::OnText& on_text_;
  std::string held_, whole_;
};

json body_of(const std::string& name, const GenerateOptions& options) {
  const SamplerOptions& s = options.sampler;
  if (s.top_k != 0 || s.min_p != 0 || s.repetition_penalty != 1)
    throw UsageError(
        "--top-k, --min-p and --repetition-penalty are not of OpenAI's API");
  if (options.constraint)
    throw UsageError("--json-schema is not of a model behind an API");
  json out = {{"model", name},
              {"temperature", s.temperature},
              {"seed", static_cast<int64_t>(s.seed)},
              {"stream", true},
              {"stream_options", {{"include_usage", true}}}};
  if (options.max_new_tokens < kMostNewTokens)
    out["max_tokens"] = options.max_new_tokens;
  if (s.top_p != 1) out["top_p"] = s.top_p;
  if (s.frequency_penalty != 0) out["frequency_penalty"] = s.frequency_penalty;
  if (s.presence_penalty != 0) out["presence_penalty"] = s.presence_penalty;
  if (!options.stop.empty()) out["stop"] = options.stop;
  return out;
}

// What a server says is wrong, in one line.
std::string reason_of(const std::string& body) {
  try {
    const json parsed = parse_ordered_json(body, "answer");
    const json error =
        parsed.is_object() ? parsed.value("error", json()) : json();
    if (error.is_object() && error.value("message", json()).is_string())
      return error["message"].get<std::string>();
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): a page, perhaps
  }
  return quoted(body);
}

}  // namespace

bool is_remote(std::string_view model) { return !behind_scheme(model).empty(); }

RemoteModel::RemoteModel(std::string_view address, RemoteLimits limits)
    : limits_(limits) {
  const size_t hash = address.find('#');
  const std::string_view rest = behind_scheme(address.substr(0, hash));
  if (rest.empty() || hash == address.npos || hash + 1 == address.size() ||
      rest.find('@') != rest.npos)
    throw UsageError("{} is not http(s)://HOST/v1#MODEL",
                     quoted(std::string(address)));
  address_ = address;
  name_ = address.substr(hash + 1);
  const size_t slash = std::min(rest.find('/'), rest.size());
  folder_ = rest.substr(slash);
  while (folder_.ends_with('/')) folder_.pop_back();
  server_ = address.substr(
      0, static_cast<size_t>(rest.data() - address.data()) + slash);
  const char* key = std::getenv("OPENAI_API_KEY");
  if (key == nullptr || *key == '\0') return;
  if (address.starts_with("https://") ||
      is_loopback(host_name(rest.substr(0, slash))))
    key_ = key;
}

RemoteAnswer RemoteModel::complete(std::string_view prompt,
                                   const GenerateOptions& options,
                                   const OnText& on_text) const {
  json body = body_of(name_, options);
  body["prompt"] = prompt;
  return ask("/completions", body.dump(), on_text);
}

RemoteAnswer RemoteModel::chat(std::span<const Message> messages,
                               const GenerateOptions& options,
                               const OnText& on_text) const {
  json body = body_of(name_, options);
  body["messages"] = json::array();
  for (const Message& message : messages) {
    if (!message.more.empty())
      throw UsageError(
          "names and tool calls in messages are not passed to a model behind "
          "an API");
    body["messages"].push_back(
        {{"role", message.role}, {"content", message.content}});
  }
  return ask("/chat/completions", body.dump(), on_text);
}

RemoteAnswer RemoteModel::ask(const std::string& path, std::string body,
                              const OnText& on_text) const {
  const NoBrokenPipe guard;
  httplib::Client client(server_);
  client.set_connection_timeout(limits_.connect_seconds);
  client.set_read_timeout(limits_.silence_seconds);
  client.set_write_timeout(limits_.silence_seconds);
  httplib::Headers headers = {
      {"Accept", "text/event-stream, application/json"}};
  if (!key_.empty()) headers.emplace("Authorization", "Bearer " + key_);
  const auto start = std::chrono::steady_clock::now();
  double pause = limits_.first_pause;
  for (int tried = 1;; ++tried) {
    RemoteAnswer answer;
    AnswerReader reader(answer, on_text);
    std::exception_ptr wrong;
    std::string failure;
    bool was_stopped = false;
    int status = 0;
    httplib::Request request;
    request.method = "POST";
    request.path = folder_ + path;
    request.headers = headers;
    request.set_header("Content-Type", "application/json");
    request.body = body;
    request.response_handler = [&](const httplib::Response& response) {
      status = response.status;
      if (const std::string wait = response.get_header_value("Retry-After");
          !wait.empty())
        pause = std::clamp(std::atof(wait.c_str()), pause, 60.0);
      return true;
    };
    request.content_receiver = [&](const char* bytes, size_t size, uint64_t,
                                   uint64_t) {
      if (status != 200) {
        constexpr size_t kMost = 1 << 16;
        failure.append(bytes,
                       std::min(size, kMost - std::min(kMost, failure.size())));
        return true;
      }
      try {
        was_stopped = !reader.push({bytes, size});
        return !was_stopped;
      } catch (...) {
        wrong = std::current_exception();
        return false;
      }
    };
    const httplib::Result result = client.send(request);
    try {
      if (wrong) std::rethrow_exception(wrong);
      if (result && status == 200) reader.finish();
    } catch (const Error& error) {
      throw Error("{}: {}", address_, error.what());
    }
    answer.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
            .count();
    if (was_stopped || (result && status == 200)) return answer;
    const std::string why =
        result
            ? fmt::format("{}: {}", status, reason_of(failure))
            : fmt::format("no answer ({})", httplib::to_string(result.error()));
    // Of a certificate that is not trusted another try makes none that is.
    const bool is_distrusted =
        !result && result.error() == httplib::Error::SSLServerVerification;
    const bool is_passing =
        !is_distrusted && (!result || status == 429 || status >= 500);
    if (!is_passing || reader.any_text() || tried >= limits_.tries ||
        InterruptGuard::requested())
      throw Error("{}: {}{}", address_, why,
                  status == 401 ? "; the key is that of OPENAI_API_KEY, which "
                                  "is sent over https only, or to this machine"
                                : "");
    std::this_thread::sleep_for(std::chrono::duration<double>(pause));
    pause *= 2;
  }
}

}  // namespace seodang
