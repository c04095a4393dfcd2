#include "serve/proxy.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/error.h"
#include "serve/answer.h"
#include "serve/http_server.h"

namespace seodang {
namespace {

constexpr int kBadGateway = 502;

void check(const CompletionRequest& request) {
  const std::pair<bool, const char*> wrong[] = {
      {request.logprobs >= 0, "logprobs"},
      {request.choices > 1, "n"},
      {!request.tools.empty(), "tools"},
      {request.format.has_value(), "response_format"},
      {!request.prompt_ids.empty(), "prompt"}};
  for (const auto& [is_wrong, key] : wrong)
    if (is_wrong)
      throw ApiError(
          400, fmt::format("{} is not asked of a model behind an API", key),
          key);
}

RemoteAnswer ask(const RemoteModel& model, const CompletionRequest& request,
                 const RemoteModel::OnText& on_text) {
  try {
    return request.chat
               ? model.chat(request.messages, request.options, on_text)
               : model.complete(request.prompt, request.options, on_text);
  } catch (const UsageError& error) {
    throw ApiError(400, error.what());
  } catch (const Error& error) {
    throw ApiError(kBadGateway, error.what());
  }
}

}  // namespace

void proxy(const std::shared_ptr<const RemoteModel>& model,
           const CompletionRequest& request, const ResponseHead& head,
           httplib::Response& response) {
  check(request);
  if (!request.stream) {
    const RemoteAnswer answer = ask(*model, request, [](std::string_view) {
      return HttpServer::client_is_there();
    });
    response.set_content(remote_json(head, answer), "application/json");
    return;
  }
  const auto kept = std::make_shared<CompletionRequest>(request);
  response.set_header("Cache-Control", "no-cache");
  response.set_chunked_content_provider(
      "text/event-stream", [=](size_t, httplib::DataSink& sink) {
        const auto send = [&](const std::string& data) {
          const std::string event = event_of(data);
          return sink.write(event.data(), event.size());
        };
        try {
          if (head.chat) send(role_chunk(head, 0));
          const RemoteAnswer answer =
              ask(*model, *kept, [&](std::string_view text) {
                return send(text_chunk(head, 0, text)) &&
                       HttpServer::client_is_there();
              });
          send(end_chunk(head, 0, answer.stop, false));
          if (kept->include_usage)
            send(usage_chunk(head, answer.prompt_tokens,
                             answer.completion_tokens));
          send("[DONE]");
        } catch (...) {
          send(ApiError::of(std::current_exception()).body());
        }
        sink.done();
        return true;
      });
}

}  // namespace seodang
