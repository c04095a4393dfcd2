#include "serve/server.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/utf8.h"
#include "formats/json.h"
#include "generate/inspection.h"
#include "generate/session.h"
#include "grammar/token_filter.h"
#include "kernels/matmul.h"
#include "serve/answer.h"
#include "serve/host.h"
#include "serve/http_server.h"
#include "serve/page.h"
#include "serve/proxy.h"
#include "serve/request.h"
#include "serve/response.h"
#include "serve/runs.h"

namespace seodang {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kJson = "application/json";
// Of pages: nothing from elsewhere, whatever a model writes.
constexpr const char* kPagePolicy =
    "default-src 'none'; connect-src 'self'; img-src data:; style-src "
    "'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action "
    "'none'; frame-ancestors 'none'";

std::string last_part(const fs::path& path) {
  const std::string text = path.string();
  if (is_remote(text)) return text.substr(text.find('#') + 1);
  const size_t end = text.find_last_not_of('/');
  const size_t slash = text.rfind('/', end);
  return text.substr(slash + 1, end - slash);
}

// What an api key is compared with takes as long wherever they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned char differs = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size(); ++i)
    differs |=
        static_cast<unsigned char>(a[i] ^ (b.empty() ? 0 : b[i % b.size()]));
  return differs == 0;
}

// Throws ApiError about `key` for ids that the tokenizer does not have.
void check_ids(const std::vector<int32_t>& ids, const Tokenizer& tokenizer,
               const char* key) {
  if (std::ranges::any_of(
          ids, [&](int32_t id) { return id >= tokenizer.vocab_size(); }))
    throw ApiError(400, fmt::format("{} must be token ids of the model", key),
                   key);
}

void check_room_for(const std::vector<fs::path>& models,
                    const EngineLimits& limits) {
  int64_t weights = 0, kv_cache = 0, working = 0;
  for (const fs::path& path : models) {
    const ModelSource source(path);
    const MemoryNeed need = memory_needs(source).front();
    weights += need.weights;
    working += need.working;
    kv_cache +=
        limits.sessions *
        KvCache::bytes(source.config(),
                       usual_context(source.config(), limits.context),
                       limits.kv_cache_dtype.value_or(fastest_product_dtype()));
  }
  const int64_t machine = machine_memory();
  const auto show = [](int64_t bytes) {
    return show_bytes(static_cast<double>(bytes));
  };
  if (weights + kv_cache + working > machine)
    throw Error(
        "{} of weights, {} of kv_cache for {} sessions and {} of working "
        "memory "
        "are more than the {} of this machine; lower --sessions or --context",
        show(weights), show(kv_cache), limits.sessions, show(working),
        show(machine));
}

}  // namespace

struct Server::State {
  State(const std::vector<fs::path>& paths, const ServerOptions& its_options)
      : options(its_options), http({.connections = options.connections}) {
    std::vector<fs::path> here;
    std::map<std::string, int> names;
    for (const fs::path& path : paths) {
      ++names[last_part(path)];
      if (!is_remote(path.string())) here.push_back(path);
    }
    check_room_for(here, options.limits);
    for (const fs::path& path : paths) {
      if (!is_remote(path.string())) continue;
      const std::string name = last_part(path);
      remotes[names[name] == 1 ? name : path.string()] =
          std::make_shared<const RemoteModel>(path.string());
    }
    for (const fs::path& path : here) {
      models.push_back(
          std::make_unique<LanguageModel>(LanguageModel::load(path)));
      const std::string name = last_part(path);
      ids.push_back(names[name] == 1 ? name : path.string());
    }
    std::vector<const LanguageModel*> views;
    for (const auto& model : models) views.push_back(model.get());
    engine = std::make_unique<Engine>(views, options.limits);
    set_up_http();
    if (options.port != 0 ? !http.bind_to_port(options.host, options.port)
                          : (port = http.bind_to_any_port(options.host)) < 0)
      throw Error("{}:{}: cannot listen there; is the port taken?",
                  options.host, options.port);
    if (options.port != 0) port = options.port;
    http.set_backlog();
  }

  void set_up_http() {
    http.set_payload_max_length(options.max_body);
    http.set_pre_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          try {
            check_origin(request, response);
            if (request.method == "OPTIONS") {
              response.status = 204;
              return httplib::Server::HandlerResponse::Handled;
            }
            check_key(request);
            return httplib::Server::HandlerResponse::Unhandled;
          } catch (const ApiError& error) {
            send_error(response, error);
            return httplib::Server::HandlerResponse::Handled;
          }
        });
    http.set_exception_handler([](const httplib::Request&,
                                  httplib::Response& response,
                                  const std::exception_ptr& error) {
      send_error(response, ApiError::of(error));
    });
    http.set_error_handler([](const httplib::Request& request,
                              httplib::Response& response) {
      if (!response.body.empty()) return;
      if (const auto failure = HttpServer::reading_failure())
        return send_error(response, *failure);
      const int status = response.status;
      send_error(
          response,
          ApiError(status, status == 404   ? "no such path: " + request.path
                           : status == 413 ? "the request is too large"
                                           : "the request is not understood"));
    });
    http.Get("/", [](const auto&, auto& response) {
      response.set_header("Content-Security-Policy", kPagePolicy);
      response.set_content(kPageHtml, "text/html; charset=utf-8");
    });
    serve_runs();
    http.Get("/health", [](const auto&, auto& response) {
      response.set_content(R"({"status":"ok"})", kJson);
    });
    http.Get("/metrics", [this](const auto&, auto& response) {
      response.set_content(metrics(), "text/plain; version=0.0.4");
    });
    http.Get("/v1/models", [this](const auto&, auto& response) {
      response.set_content(list_models(), kJson);
    });
    http.Get("/v1/models/(.+)", [this](const auto& request, auto& response) {
      const size_t which = find_model(request.matches[1]);
      ordered_json out = model_json(which);
      out["inspection"] = ordered_json::parse(inspection(which));
      response.set_content(out.dump(), kJson);
    });
    http.Post("/v1/completions", [this](const auto& request, auto& response) {
      complete(request, response, false);
    });
    http.Post("/v1/chat/completions",
              [this](const auto& request, auto& response) {
                complete(request, response, true);
              });
    http.Post("/tokenize", [this](const auto& request, auto& response) {
      tokenize(request, response);
    });
    http.Post("/detokenize", [this](const auto& request, auto& response) {
      detokenize(request, response);
    });
  }

  void serve_runs() {
    if (options.runs.empty()) {
      http.Get("/runs", [](const auto&, auto& response) {
        response.set_content("null", kJson);
      });
      return;
    }
    runs.emplace(options.runs);
    const auto name_of = [](const httplib::Request& request) {
      return request.get_param_value("name");
    };
    http.Get("/runs", [this](const auto&, auto& response) {
      response.set_content(runs->list(), kJson);
    });
    http.Get(
        "/runs/metrics", [this, name_of](const auto& request, auto& response) {
          const std::string from = request.get_param_value("from");
          int64_t byte = 0;
          const auto [end, error] =
              std::from_chars(from.data(), from.data() + from.size(), byte);
          if (byte < 0 || (!from.empty() && (error != std::errc() ||
                                             end != from.data() + from.size())))
            throw ApiError(400, "from must be a number of bytes", "from");
          response.set_content(runs->metrics(name_of(request), byte), kJson);
        });
    http.Get("/runs/forgetting",
             [this, name_of](const auto& request, auto& response) {
               response.set_content(runs->forgetting(name_of(request)), kJson);
             });
    http.Get("/runs/report",
             [this, name_of](const auto& request, auto& response) {
               response.set_header("Content-Security-Policy", kPagePolicy);
               response.set_content(runs->report(name_of(request)),
                                    "text/html; charset=utf-8");
             });
  }

  static void send_error(httplib::Response& response, const ApiError& error) {
    response.status = error.status();
    if (error.status() == 429) response.set_header("Retry-After", "1");
    response.set_content(error.body(), kJson);
  }

  void check_key(const httplib::Request& request) const {
    constexpr std::string_view kBearer = "Bearer ";
    // The page holds nothing, and asks for the key.
    if (options.api_key.empty() || request.path == "/health" ||
        request.path == "/")
      return;
    const std::string given = request.get_header_value("Authorization");
    if (!given.starts_with(kBearer) ||
        !equal_in_constant_time(std::string_view(given).substr(kBearer.size()),
                                options.api_key))
      throw ApiError(401, "wrong or missing API key", "", "invalid_api_key");
  }

  // Browsers tell from which page a call comes; other programs tell nothing.
  void check_origin(const httplib::Request& request,
                    httplib::Response& response) const {
    const std::string origin = request.get_header_value("Origin");
    const std::string host = request.get_header_value("Host");
    const auto is_of_host = [&](const std::string& page) {
      return page == "http://" + host || page == "https://" + host;
    };
    const auto& allowed = options.cors;
    const bool any = std::ranges::find(allowed, "*") != allowed.end();
    // A stranger's page may be called by a name of its own that leads here.
    if (is_loopback(options.host) && !host.empty() && !any &&
        !is_loopback(host_name(host)) &&
        std::ranges::none_of(allowed, is_of_host))
      throw ApiError(403, "the Host is not this machine: " + quoted(host));
    if (origin.empty() || is_of_host(origin)) return;
    if (!any && std::ranges::find(allowed, origin) == allowed.end())
      throw ApiError(403, "pages of " + quoted(origin) +
                              " may not call this server; --cors allows it");
    response.set_header("Access-Control-Allow-Origin", any ? "*" : origin);
    response.set_header("Vary", "Origin");
    if (request.method != "OPTIONS") return;
    response.set_header("Access-Control-Allow-Methods", "GET, POST");
    // The clients of npm send headers of their own.
    response.set_header(
        "Access-Control-Allow-Headers",
        request.get_header_value("Access-Control-Request-Headers"));
    response.set_header("Access-Control-Max-Age", "600");
  }

  std::vector<std::string> names() const {
    std::vector<std::string> out = ids;
    for (const auto& [id, remote] : remotes) out.push_back(id);
    return out;
  }

  // By its name, or the only one.
  size_t find_model(const std::string& name) const {
    if (name.empty() && models.size() == 1) return 0;
    if (remotes.contains(name))
      throw ApiError(
          400, "of a model behind an API no more is known: " + quoted(name),
          "model");
    const auto found = std::ranges::find(ids, name);
    if (found != ids.end()) return static_cast<size_t>(found - ids.begin());
    throw ApiError(404,
                   fmt::format("model {} is not served here; there are {}",
                               quoted(name), fmt::join(names(), ", ")),
                   "model", "model_not_found");
  }

  void complete(const httplib::Request& http_request,
                httplib::Response& response, bool chat) {
    CompletionRequest request = parse_completion(http_request.body, chat);
    if (const auto remote = remotes.find(request.model);
        remote != remotes.end()) {
      proxy(remote->second, request,
            {new_id(chat), remote->first, std::time(nullptr), chat}, response);
      return;
    }
    const size_t which = find_model(request.model);
    const LanguageModel& model = *models[which];
    request.options.end_tokens = model.end_tokens();
    std::vector<int32_t> prompt = prompt_of(model, request);
    constrain(which, request, prompt);
    const ResponseHead head = {new_id(chat), ids[which], std::time(nullptr),
                               chat};
    const auto answer =
        std::make_shared<Answer>(std::move(request), head, model.tokenizer(),
                                 std::chrono::seconds(options.timeout));
    try {
      submit(which, prompt, answer);
    } catch (...) {
      answer->abandon();
      throw;
    }
    if (!answer->request().stream) {
      response.set_content(answer->whole(), kJson);
      return;
    }
    response.set_header("Cache-Control", "no-cache");
    response.set_chunked_content_provider(
        "text/event-stream",
        [answer](size_t, httplib::DataSink& sink) {
          const std::string events = answer->next_events();
          if (events.empty()) {
            sink.done();
            return true;
          }
          return sink.write(events.data(), events.size());
        },
        [answer](bool) { answer->abandon(); });
  }

  static std::vector<int32_t> encoded(const LanguageModel& model,
                                      const std::vector<Message>& messages,
                                      const std::string& tools) {
    try {
      return model.encode_chat(messages, local_time(), tools);
    } catch (const Error& error) {
      throw ApiError(400, error.what(), "messages");
    }
  }

  static std::vector<int32_t> prompt_of(const LanguageModel& model,
                                        const CompletionRequest& request) {
    if (request.chat)
      return encoded(model, request.messages, request.tools_json);
    if (request.prompt_ids.empty()) return model.encode_text(request.prompt);
    check_ids(request.prompt_ids, model.tokenizer(), "prompt");
    return request.prompt_ids;
  }

  // What the answer has to be, by response_format or tool_choice.
  void constrain(size_t which, CompletionRequest& request,
                 std::vector<int32_t>& prompt) {
    const Tokenizer& tokenizer = models[which]->tokenizer();
    const bool calls = request.tool_choice.mode == ToolChoice::Mode::required;
    if (!request.format && !calls) return;
    try {
      if (calls) {
        const ToolCallFormat format =
            tool_call_format(tokenizer.chat_template());
        request.format =
            tool_call_grammar(format, request.tools, request.tool_choice);
        const auto begin =
            tokenizer.encode(tool_call_begin(format),
                             {.parse_special = true, .continues = true});
        prompt.insert(prompt.end(), begin.begin(), begin.end());
      }
      request.options.constraint = std::make_shared<const Constraint>(
          std::move(*request.format), token_index(which));
    } catch (const Error& error) {
      throw ApiError(400, error.what(), calls ? "tools" : "response_format");
    }
  }

  // Made when it is first asked for.
  std::shared_ptr<const TokenIndex> token_index(size_t which) {
    const std::lock_guard lock(lazy_mutex);
    auto& index = token_indices[which];
    if (!index)
      index = std::make_shared<TokenIndex>(models[which]->tokenizer());
    return index;
  }

  void submit(size_t which, const std::vector<int32_t>& prompt,
              const std::shared_ptr<Answer>& answer) {
    for (size_t i = 0; i < static_cast<size_t>(answer->request().choices);
         ++i) {
      BatchSequence sequence = {
          .prompt = prompt,
          .options = answer->request().options,
          .on_token =
              [answer, i](const Choice& choice, std::string_view text) {
                return answer->take(i, choice, text);
              },
          .is_wanted = [answer] { return answer->is_wanted(); },
          .done =
              [answer, i](Generation generation,
                          const std::exception_ptr& error) {
                answer->finish(i, std::move(generation), error);
              }};
      sequence.options.sampler.seed += i;
      bool taken = false;
      try {
        taken = engine->submit(which, std::move(sequence));
      } catch (const Error& error) {
        throw ApiError(400, error.what(), "", "context_length_exceeded");
      }
      if (!taken)
        throw ApiError(429, "too many requests wait already", "",
                       "rate_limit_exceeded");
    }
  }

  std::string new_id(bool chat) {
    const std::lock_guard lock(id_mutex);
    return fmt::format("{}-{:016x}", chat ? "chatcmpl" : "cmpl", random_ids());
  }

  std::string list_models() const {
    ordered_json out = {{"object", "list"}, {"data", ordered_json::array()}};
    for (size_t i = 0; i < ids.size(); ++i)
      out["data"].push_back(model_json(i));
    for (const auto& [id, remote] : remotes)
      out["data"].push_back({{"id", id},
                             {"object", "model"},
                             {"created", started},
                             {"owned_by", remote->address()},
                             {"kind", "remote"}});
    return out.dump();
  }

  ordered_json model_json(size_t which) const {
    return {{"id", ids[which]},
            {"object", "model"},
            {"created", started},
            {"owned_by", "seodang"},
            {"kind", name_of(models[which]->kind())},
            {"context_length", engine->context(which)}};
  }

  // As `seodang inspect --json` prints it; read when it is first asked for.
  std::string inspection(size_t which) {
    const std::lock_guard lock(lazy_mutex);
    std::string& text = inspections[which];
    if (text.empty()) {
      const Inspection found = inspect(models[which]->path(), false);
      text = to_json(found, advice(ids[which], found));
    }
    return text;
  }

  std::string metrics() const {
    struct Metric {
      const char *name, *type, *help;
      uint64_t (*value)(const EngineCounts&);
    };
    constexpr Metric kAll[] = {
        {"seodang_requests_active", "gauge", "Sequences being continued",
         [](const EngineCounts& c) -> uint64_t { return c.active; }},
        {"seodang_requests_waiting", "gauge", "Sequences that wait",
         [](const EngineCounts& c) -> uint64_t { return c.waiting; }},
        {"seodang_prompt_tokens_total", "counter", "Tokens of prompts",
         [](const EngineCounts& c) { return c.prompt_tokens; }},
        {"seodang_generated_tokens_total", "counter", "Tokens written",
         [](const EngineCounts& c) { return c.generated_tokens; }}};
    std::string out;
    for (const Metric& metric : kAll) {
      out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", metric.name,
                         metric.help, metric.type);
      for (size_t i = 0; i < ids.size(); ++i)
        out += fmt::format("{}{{model={}}} {}\n", metric.name,
                           ordered_json(ids[i]).dump(),
                           metric.value(engine->counts(i)));
    }
    return out;
  }

  const LanguageModel& model_of(const ordered_json& body) const {
    const ordered_json name = body.value("model", ordered_json(""));
    if (!name.is_string())
      throw ApiError(400, "model must be a string", "model");
    return *models[find_model(name.get<std::string>())];
  }

  void tokenize(const httplib::Request& request,
                httplib::Response& response) const {
    const ordered_json body = parse_body(request.body);
    const LanguageModel& model = model_of(body);
    const auto flag = [&](const char* key) {
      const ordered_json value = body.value(key, ordered_json(false));
      if (!value.is_boolean())
        throw ApiError(400, fmt::format("{} must be true or false", key), key);
      return value.get<bool>();
    };
    const ordered_json text = body.value("content", ordered_json());
    std::vector<int32_t> tokens;
    if (body.contains("messages"))
      tokens = encoded(model, parse_messages(body["messages"]), "");
    else if (text.is_string())
      tokens = model.tokenizer().encode(
          text.get<std::string>(),
          {.add_special_tokens = flag("add_special"), .parse_special = true});
    else
      throw ApiError(400, "content must be a string", "content");
    ordered_json out = tokens;
    if (flag("with_pieces"))
      for (ordered_json& token : out)
        token = piece_json(token.get<int32_t>(), model.tokenizer());
    response.set_content(ordered_json{{"tokens", std::move(out)}}.dump(),
                         kJson);
  }

  void detokenize(const httplib::Request& request,
                  httplib::Response& response) const {
    const ordered_json body = parse_body(request.body);
    const LanguageModel& model = model_of(body);
    const std::vector<int32_t> tokens =
        parse_ids(body.value("tokens", ordered_json()), "tokens");
    check_ids(tokens, model.tokenizer(), "tokens");
    response.set_content(
        ordered_json{{"content", model.tokenizer().decode(tokens, false)}}
            .dump(),
        kJson);
  }

  void run() {
    {
      const std::lock_guard lock(running_mutex);
      if (is_stopped) return;
      is_running = true;
    }
    http.listen_after_bind();
    const std::lock_guard lock(running_mutex);
    is_running = false;
  }

  // The library's stop() does nothing while its loop is about to begin.
  void stop() {
    const auto is_beginning = [&] {
      const std::lock_guard lock(running_mutex);
      is_stopped = true;
      return is_running && !http.is_running();
    };
    while (is_beginning())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    http.stop();
  }

  ServerOptions options;
  int port = 0;
  std::mutex running_mutex;
  bool is_running = false, is_stopped = false;
  std::time_t started = std::time(nullptr);
  std::vector<std::string> ids;
  std::vector<std::unique_ptr<LanguageModel>> models;
  std::map<std::string, std::shared_ptr<const RemoteModel>> remotes;
  std::unique_ptr<Engine> engine;
  std::optional<Runs> runs;
  std::mutex lazy_mutex;  // of what is made when it is first asked for
  std::map<size_t, std::string> inspections;
  std::map<size_t, std::shared_ptr<const TokenIndex>> token_indices;
  std::mutex id_mutex;
  std::mt19937_64 random_ids{std::random_device()()};
  HttpServer http;
};

Server::Server(const std::vector<fs::path>& models,
               const ServerOptions& options)
    : state_(std::make_unique<State>(models, options)) {}
Server::~Server() = default;

int Server::port() const { return state_->port; }
std::vector<std::string> Server::model_names() const { return state_->names(); }
void Server::run() { state_->run(); }
void Server::stop() { state_->stop(); }

}  // namespace seodang
