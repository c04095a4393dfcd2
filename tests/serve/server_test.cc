// The server as clients meet it, over HTTP.
#include "serve/server.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "error_of.h"
#include "generate/session.h"
#include "generate/tiny_model.h"
#include "serve/tool_model.h"
#include "serve/training_folder.h"

namespace seodang {
namespace {

using nlohmann::json;

// A server of two tiny models, at a free port.
class ServerTest : public testing::Test {
 protected:
  static ServerOptions options() {
    ServerOptions out;
    out.port = 0;
    return out;
  }

  void start(const ServerOptions& options) {
    server_ = std::make_unique<Server>(
        std::vector<std::filesystem::path>{base_, instruct_}, options);
    thread_ = std::thread([this] { server_->run(); });
  }
  ~ServerTest() override {
    if (!server_) return;
    server_->stop();
    thread_.join();
  }

  httplib::Client client() const {
    httplib::Client out("127.0.0.1", server_->port());
    out.set_read_timeout(30, 0);
    return out;
  }
  httplib::Result post(const std::string& path, const std::string& body) const {
    return client().Post(path, body, "application/json");
  }
  json ask(const std::string& path, const json& body) const {
    const auto result = post(path, body.dump());
    EXPECT_TRUE(result) << httplib::to_string(result.error());
    if (!result) return {};
    EXPECT_EQ(result->status, 200) << result->body;
    return json::parse(result->body);
  }
  void expect_refusal(const std::string& path, const std::string& body,
                      int status, const char* part) const {
    const auto result = post(path, body);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->status, status) << body << "\n" << result->body;
    const json error = json::parse(result->body)["error"];
    EXPECT_NE(error["message"].get<std::string>().find(part), std::string::npos)
        << result->body;
    EXPECT_EQ(error["type"], "invalid_request_error");
  }

  const std::filesystem::path dir_ = scratch_directory();
  const std::filesystem::path base_ = write_tiny_model(dir_ / "base", false, 1);
  const std::filesystem::path instruct_ =
      write_tiny_model(dir_ / "instruct", true, 2);
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

// What generate() says to the same, with the same seed.
Generation alone(const std::filesystem::path& path, const std::string& text,
                 bool chat, uint64_t seed, double temperature) {
  const LanguageModel model = LanguageModel::load(path);
  Session session(model.config(), model.weights());
  GenerateOptions options;
  options.max_new_tokens = 10;
  options.end_tokens = model.end_tokens();
  options.sampler.temperature = temperature;
  options.sampler.seed = seed;
  const Message message{"user", text};
  const auto prompt =
      chat ? model.encode_chat({&message, 1}) : model.encode_text(text);
  return generate(session, model.tokenizer(), prompt, options);
}

json chat_about(const std::string& text, uint64_t seed, double temperature) {
  return {{"model", "instruct"},
          {"messages", {{{"role", "user"}, {"content", text}}}},
          {"max_tokens", 10},
          {"temperature", temperature},
          {"seed", seed}};
}

// The texts of a stream's events put together, and the last finish_reason.
std::pair<std::string, std::string> joined(const std::string& body) {
  std::string text, reason;
  size_t done = 0;
  for (size_t at = 0; at < body.size();) {
    const size_t end = body.find("\n\n", at);
    const std::string event = body.substr(at, end - at);
    at = end + 2;
    EXPECT_TRUE(event.starts_with("data: ")) << event;
    if (event == "data: [DONE]") {
      ++done;
      continue;
    }
    const json choice = json::parse(event.substr(6))["choices"].at(0);
    text += choice.contains("delta") ? choice["delta"].value("content", "")
                                     : choice["text"].get<std::string>();
    if (!choice["finish_reason"].is_null()) reason = choice["finish_reason"];
  }
  EXPECT_EQ(done, 1u);
  return {text, reason};
}

TEST_F(ServerTest, AnswersAreThoseOfGenerate) {
  start(options());
  for (const double temperature : {0.0, 1.0}) {
    const Generation expected =
        alone(instruct_, "수도는?", true, 7, temperature);
    json request = chat_about("수도는?", 7, temperature);
    const json answer = ask("/v1/chat/completions", request);
    EXPECT_EQ(answer["choices"][0]["message"]["content"], expected.text);
    EXPECT_EQ(answer["usage"]["prompt_tokens"], expected.prompt_tokens);
    EXPECT_EQ(answer["usage"]["completion_tokens"], expected.tokens.size());
    request["stream"] = true;
    const auto stream = post("/v1/chat/completions", request.dump());
    EXPECT_EQ(stream->get_header_value("Content-Type"), "text/event-stream");
    EXPECT_EQ(joined(stream->body).first, expected.text);
    EXPECT_EQ(joined(stream->body).second,
              expected.stop == StopReason::length ? "length" : "stop");
  }
  const Generation text = alone(base_, "The capital", false, 3, 0);
  const json completion = ask("/v1/completions", {{"model", "base"},
                                                  {"prompt", "The capital"},
                                                  {"max_tokens", 10},
                                                  {"temperature", 0},
                                                  {"logprobs", 2}});
  EXPECT_EQ(completion["choices"][0]["text"], text.text);
  const json logprobs = completion["choices"][0]["logprobs"];
  ASSERT_EQ(logprobs["token_logprobs"].size(), text.tokens.size());
  for (size_t i = 0; i < text.tokens.size(); ++i)
    EXPECT_NEAR(logprobs["token_logprobs"][i].get<double>(),
                text.tokens[i].logprob, 1e-3);
}

TEST_F(ServerTest, ManyClientsGetTheirOwnAnswers) {
  ServerOptions few = options();
  few.limits.sessions = 3;
  start(few);
  std::vector<std::future<std::string>> answers;
  for (uint64_t i = 0; i < 24; ++i)
    answers.push_back(std::async(std::launch::async, [this, i] {
      return ask("/v1/chat/completions",
                 chat_about("질문 " + std::to_string(i), i,
                            1))["choices"][0]["message"]["content"]
          .get<std::string>();
    }));
  for (uint64_t i = 0; i < 24; ++i)
    EXPECT_EQ(answers[i].get(),
              alone(instruct_, "질문 " + std::to_string(i), true, i, 1).text)
        << i;
}

TEST_F(ServerTest, WhatIsWrongIsToldInOpenAisShape) {
  ServerOptions small = options();
  small.max_body = 4096;
  start(small);
  const char* chat = "/v1/chat/completions";
  const std::string user = R"("messages":[{"role":"user","content":"a"}])";
  const std::string model = R"("model":"instruct",)";
  expect_refusal(chat, "", 400, "not JSON");
  expect_refusal(chat, "[]", 400, "not a JSON object");
  expect_refusal(chat, "{\"messages\":\"\xFF\"}", 400, "not UTF-8");
  expect_refusal(chat, std::string(200, '['), 400, "nested deeper");
  expect_refusal(chat, "{" + user + "}", 404, "there are base, instruct");
  expect_refusal(chat, R"({"model":"x",)" + user + "}", 404, "\"x\"");
  expect_refusal(chat, R"({"model":7,)" + user + "}", 400, "model must be");
  expect_refusal(chat, R"({"model":"instruct"})", 400, "messages must be");
  expect_refusal(chat, "{" + model + R"("messages":[]})", 400, "messages must");
  expect_refusal(chat, "{" + model + R"("messages":[{"content":"a"}]})", 400,
                 "messages[0] has no role");
  expect_refusal(chat, "{" + model + R"("messages":[{"role":"robot"}]})", 400,
                 "robot");
  expect_refusal(chat,
                 "{" + model + R"("messages":[{"role":"user","content":7}]})",
                 400, "messages[0].content must be");
  expect_refusal(chat,
                 "{" + model +
                     R"("messages":[{"role":"user","content":[
                          {"type":"image_url","image_url":"x"}]}]})",
                 400, "holds what is not text");
  for (const auto& [more, part] :
       {std::pair{R"("temperature":"hot")", "temperature"},
        {R"("temperature":-1)", "temperature"},
        {R"("top_p":0)", "top_p"},
        {R"("n":0)", "n must"},
        {R"("n":99999999999999999999)", "n must"},
        {R"("max_tokens":-5)", "max_tokens"},
        {R"("max_tokens":1.5)", "max_tokens"},
        {R"("seed":18446744073709551615)", "seed"},
        {R"("stop":[""])", "stop"},
        {R"("stop":5)", "stop"},
        {R"("stream":1)", "stream must"},
        {R"("top_logprobs":3)", "needs logprobs"},
        {R"("logit_bias":{"5":1})", "logit_bias"},
        {R"("tools":[{"type":"function"}])", "tools"},
        {R"("tools":[{"type":"function","function":{"name":"f"}}])",
         "no place for tools"},
        {R"("tool_choice":"required")", "needs tools"},
        {R"("tool_choice":"sometimes")", "tool_choice"},
        {R"("response_format":{"type":"xml"})", "response_format"},
        {R"("response_format":{"type":"json_schema"})", "has no schema"},
        {R"("response_format":{"type":"json_schema","json_schema":{"schema":
            {"type":"array","uniqueItems":true}}})",
         "uniqueItems"},
        {R"("response_format":{"type":"json_schema","json_schema":{"schema":
            {"$ref":"#"}}})",
         "no text"},
        {R"("stream_options":{"x":true})", "\"x\""},
        {R"("frobnicate":true)", "frobnicate"}})
    expect_refusal(chat, "{" + model + user + "," + more + "}", 400, part);
  expect_refusal(chat, R"({"model":"base",)" + user + "}", 400,
                 "no chat template");
  expect_refusal("/v1/completions", R"({"model":"base","prompt":["a","b"]})",
                 400, "prompt must be one text");
  expect_refusal(
      "/v1/completions",
      R"({"model":"base","prompt":")" + std::string(3000, 'x') + "\"}", 400,
      "the context holds 96");
  expect_refusal("/v1/completions", std::string(5000, ' '), 413, "too large");
  expect_refusal("/v1/nothing", "{}", 404, "no such path");
  expect_refusal("/tokenize", R"({"model":"base","content":7})", 400,
                 "content must be");
  expect_refusal("/detokenize", R"({"model":"base","tokens":[-1]})", 400,
                 "token ids");
  expect_refusal("/detokenize", R"({"model":"base","tokens":[99999]})", 400,
                 "token ids");
}

const json kCitySchema = {
    {"type", "object"},
    {"properties",
     {{"city", {{"type", "string"}, {"maxLength", 5}}},
      {"size", {{"type", "integer"}, {"minimum", 1}, {"maximum", 9}}}}},
    {"required", {"city", "size"}}};

TEST_F(ServerTest, AnswersAreOfTheFormatThatWasAskedFor) {
  start(options());
  json body = chat_about("도시는?", 1, 1);
  body["max_tokens"] = 60;
  for (int seed = 0; seed < 5; ++seed) {
    body["seed"] = seed;
    body["response_format"] = {
        {"type", "json_schema"},
        {"json_schema", {{"name", "city"}, {"schema", kCitySchema}}}};
    const json choice = ask("/v1/chat/completions", body)["choices"][0];
    EXPECT_EQ(choice["finish_reason"], "stop");
    const json value =
        json::parse(choice["message"]["content"].get<std::string>());
    EXPECT_TRUE(value["city"].is_string());
    EXPECT_GE(value["size"], 1);
    EXPECT_LE(value["size"], 9);
    // Streamed it is the same.
    body["stream"] = true;
    const auto [text, reason] =
        joined(post("/v1/chat/completions", body.dump())->body);
    EXPECT_EQ(text, choice["message"]["content"]);
    EXPECT_EQ(reason, "stop");
    body.erase("stream");
  }
  body["response_format"] = {{"type", "json_object"}};
  const json choice = ask("/v1/chat/completions", body)["choices"][0];
  const std::string text = choice["message"]["content"];
  EXPECT_EQ(text.find_first_not_of(' '), text.find('{'));
  if (choice["finish_reason"] == "stop") {
    EXPECT_TRUE(json::parse(text).is_object());
  }
}

TEST_F(ServerTest, ToolsAreCalled) {
  write_tool_model(instruct_);
  start(options());
  json body = chat_about("날씨는?", 1, 1);
  body["max_tokens"] = 200;
  body["parallel_tool_calls"] = false;
  body["tools"] = {
      {{"type", "function"},
       {"function", {{"name", "find"}, {"parameters", kCitySchema}}}},
      {{"type", "function"}, {"function", {{"name", "now"}}}}};
  body["tool_choice"] = {{"type", "function"},
                         {"function", {{"name", "find"}}}};
  const json choice = ask("/v1/chat/completions", body)["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls") << choice;
  EXPECT_TRUE(choice["message"]["content"].is_null());
  const json calls = choice["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0]["type"], "function");
  EXPECT_EQ(calls[0]["function"]["name"], "find");
  const std::string arguments = calls[0]["function"]["arguments"];
  EXPECT_TRUE(json::parse(arguments)["city"].is_string());
  EXPECT_EQ(calls[0]["id"].get<std::string>().size(), 9u);

  body["stream"] = true;
  const std::string events = post("/v1/chat/completions", body.dump())->body;
  EXPECT_NE(events.find(json(arguments).dump()), std::string::npos) << events;
  EXPECT_EQ(joined(events).second, "tool_calls");
  EXPECT_EQ(joined(events).first, "");
  body.erase("stream");

  // The call and what the tool said go back to the model.
  body["messages"].push_back(choice["message"]);
  body["messages"].push_back({{"role", "tool"},
                              {"tool_call_id", calls[0]["id"]},
                              {"content", "맑음"}});
  body["tool_choice"] = "auto";
  EXPECT_EQ(ask("/v1/chat/completions", body)["choices"].size(), 1u);
  body["tool_choice"] = "none";
  EXPECT_EQ(ask("/v1/chat/completions", body)["choices"].size(), 1u);
  body["messages"][1]["tool_calls"][0]["function"].erase("name");
  expect_refusal("/v1/chat/completions", body.dump(), 400, "tool_calls must");
}

TEST_F(ServerTest, StopsAlsoBeforeItHasBegun) {
  for (int i = 0; i < 30; ++i) {
    Server server({base_}, options());
    std::thread thread([&] { server.run(); });
    if (i % 3 == 0) std::this_thread::yield();
    server.stop();
    thread.join();
  }
}

TEST_F(ServerTest, TokensThereAndBack) {
  start(options());
  const json tokens = ask(
      "/tokenize", {{"model", "base"}, {"content", "서울 Seoul"}})["tokens"];
  EXPECT_EQ(
      ask("/detokenize", {{"model", "base"}, {"tokens", tokens}})["content"],
      "서울 Seoul");
  const json models = json::parse(client().Get("/v1/models")->body)["data"];
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0]["id"], "base");
  EXPECT_EQ(models[1]["kind"], "instruct");
  EXPECT_EQ(models[1]["context_length"], 96);
  const json one = json::parse(client().Get("/v1/models/instruct")->body);
  EXPECT_EQ(one["id"], "instruct");
  EXPECT_EQ(one["inspection"]["kind"], "instruct");
  EXPECT_GT(one["inspection"]["memory"]["as_is"]["weights"], 0);
  EXPECT_EQ(client().Get("/v1/models/nobody")->status, 404);
  // What a chat is to the model, piece by piece.
  const json pieces =
      ask("/tokenize", {{"model", "instruct"},
                        {"messages", {{{"role", "user"}, {"content", "x"}}}},
                        {"with_pieces", true}})["tokens"];
  std::string text;
  for (const json& token : pieces) text += token["piece"];
  EXPECT_TRUE(text.starts_with("<|begin_of_text|><|start_header_id|>user"))
      << text;
  EXPECT_TRUE(
      text.ends_with("<|start_header_id|>assistant<|end_header_id|>\n\n"))
      << text;
  // Tokens as a prompt are what their text is.
  json body = {
      {"model", "base"}, {"prompt", "The capital"}, {"temperature", 0}};
  const json as_text = ask("/v1/completions", body)["choices"][0]["text"];
  body["prompt"] = ask("/tokenize", {{"model", "base"},
                                     {"content", "The capital"},
                                     {"add_special", true}})["tokens"];
  EXPECT_EQ(ask("/v1/completions", body)["choices"][0]["text"], as_text);
  expect_refusal("/v1/completions", R"({"model":"base","prompt":[99999]})", 400,
                 "token ids");
  EXPECT_EQ(client().Get("/health")->status, 200);
  EXPECT_NE(client()
                .Get("/metrics")
                ->body.find("seodang_requests_active{model=\"base\"} 0"),
            std::string::npos);
}

TEST_F(ServerTest, ShowsWhatTrainingWrites) {
  ServerOptions options = this->options();
  options.runs = write_training_folder(dir_ / "runs");
  write_file(dir_ / "metrics.jsonl", "{}\n");
  std::filesystem::create_directory_symlink(dir_, dir_ / "runs" / "link");
  start(options);
  const auto get = [&](const std::string& path) { return client().Get(path); };
  const json list = json::parse(get("/runs")->body);
  ASSERT_EQ(list["runs"].size(), 1u);
  EXPECT_EQ(list["runs"][0]["name"], "demo/tuned");
  EXPECT_TRUE(list["runs"][0]["forgetting"]);
  EXPECT_EQ(list["reports"], json({"demo"}));
  const std::string of = "/runs/metrics?name=demo%2Ftuned";
  const json all = json::parse(get(of)->body);
  EXPECT_EQ(all["lines"].size(), 42u);  // the last one is but half
  EXPECT_EQ(all["lines"][0]["step"], 1);
  const std::string next = std::to_string(all["next"].get<int64_t>());
  EXPECT_EQ(json::parse(get(of + "&from=" + next)->body)["lines"].size(), 0u);
  {
    std::ofstream more(dir_ / "runs/demo/tuned/metrics.jsonl", std::ios::app);
    more << "\":1}\n";
  }
  EXPECT_EQ(json::parse(get(of + "&from=" + next)->body)["lines"],
            json::parse(R"([{"step":41,"half":1}])"));
  EXPECT_EQ(json::parse(get("/runs/forgetting?name=demo/tuned")->body)["kept"],
            0.985);
  EXPECT_EQ(get("/runs/report?name=demo")->status, 200);
  for (const char* name : {"..", "../", "demo", "demo/tuned/", "/etc", "link",
                           "demo/../demo/tuned", "", "%00"})
    EXPECT_EQ(get(std::string("/runs/metrics?name=") + name)->status, 404)
        << name;
  EXPECT_EQ(get(of + "&from=-1")->status, 400);
  EXPECT_EQ(get(of + "&from=x")->status, 400);
  EXPECT_EQ(get(of + "&from=999999999999")->status, 200);
}

TEST_F(ServerTest, AsksForItsKey) {
  ServerOptions locked = options();
  locked.api_key = "secret";
  start(locked);
  httplib::Client client = this->client();
  EXPECT_EQ(client.Get("/v1/models")->status, 401);
  for (const char* wrong : {"Bearer", "Bearer ", "Bearer secre",
                            "Bearer secret2", "Basic secret", "secret"})
    EXPECT_EQ(client.Get("/v1/models", {{"Authorization", wrong}})->status, 401)
        << wrong;
  EXPECT_EQ(
      client.Get("/v1/models", {{"Authorization", "Bearer secret"}})->status,
      200);
  EXPECT_EQ(client.Get("/health")->status, 200);
}

TEST_F(ServerTest, PagesFromElsewhereMayNotCall) {
  ServerOptions options = this->options();
  options.cors = {"https://a.example"};
  start(options);
  const auto status = [&](const httplib::Headers& headers) {
    return client().Get("/v1/models", headers)->status;
  };
  const std::string here = "127.0.0.1:" + std::to_string(server_->port());
  EXPECT_EQ(status({}), 200);
  EXPECT_EQ(status({{"Host", here}, {"Origin", "http://" + here}}), 200);
  EXPECT_EQ(status({{"Origin", "https://a.example"}}), 200);
  EXPECT_EQ(status({{"Origin", "https://b.example"}}), 403);
  EXPECT_EQ(status({{"Origin", "null"}}), 403);
  EXPECT_EQ(status({{"Host", "b.example"}}), 403);
  EXPECT_EQ(status({{"Host", "127.0.0.1.b.example"}}), 403);
  EXPECT_EQ(status({{"Host", "localhost.b.example:80"}}), 403);
  EXPECT_EQ(status({{"Host", "[::1]:8080"}}), 200);
  EXPECT_EQ(status({{"Host", "b.example"}, {"Origin", "http://b.example"}}),
            403);
  EXPECT_EQ(status({{"Host", "a.example"}}), 200);  // behind a proxy
  const auto preflight = client().Options(
      "/v1/models", {{"Origin", "https://a.example"},
                     {"Access-Control-Request-Headers", "authorization"}});
  EXPECT_EQ(preflight->status, 204);
  EXPECT_EQ(preflight->get_header_value("Access-Control-Allow-Origin"),
            "https://a.example");
  EXPECT_EQ(preflight->get_header_value("Access-Control-Allow-Headers"),
            "authorization");
}

// What nobody waits for any more is not written.
class AbandonedTest : public ServerTest {
 protected:
  void start_slow(int timeout) {
    write_tool_model(instruct_);
    ServerOptions options = this->options();
    options.limits.sessions = 1;
    options.timeout = timeout;
    start(options);
  }
  // Tens of thousands of tokens.
  static json long_request() {
    json body = chat_about("이야기를 하나 해 주세요.", 1, 1);
    body["max_tokens"] = 2000;
    body["n"] = 16;
    body["response_format"] = {
        // it may not end before
        {"type", "json_schema"},
        {"json_schema",
         {{"name", "long"},
          {"schema",
           {{"type", "array"}, {"items", true}, {"minItems", 100000}}}}}};
    return body;
  }
  double metric(const std::string& name) const {
    const std::string text = client().Get("/metrics")->body;
    const std::string key = "seodang_" + name + "{model=\"instruct\"} ";
    return std::stod(text.substr(text.find(key) + key.size()));
  }
  bool becomes_idle() const {
    for (int i = 0; i < 200; ++i) {
      if (metric("requests_active") + metric("requests_waiting") == 0)
        return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
};

TEST_F(AbandonedTest, WhenItsTimeIsOver) {
  start_slow(1);
  for (const bool stream : {false, true}) {
    json body = long_request();
    body["stream"] = stream;
    const auto result = post("/v1/chat/completions", body.dump());
    ASSERT_TRUE(result);
    EXPECT_EQ(result->status, stream ? 200 : 503);
    EXPECT_NE(result->body.find("--timeout"), std::string::npos);
    EXPECT_TRUE(becomes_idle());
  }
}

TEST_F(AbandonedTest, WhenItsClientLeaves) {
  start_slow(600);
  for (const bool stream : {false, true}) {
    json body = long_request();
    body["stream"] = stream;
    const double before = metric("generated_tokens_total");
    httplib::Client impatient = client();
    impatient.set_read_timeout(0, 300'000);
    if (stream) {
      httplib::Request request;
      request.method = "POST";
      request.path = "/v1/chat/completions";
      request.body = body.dump();
      request.content_receiver = [](const char*, size_t, uint64_t, uint64_t) {
        return false;
      };
      EXPECT_FALSE(impatient.send(request));
    } else {
      EXPECT_FALSE(impatient.Post("/v1/chat/completions", body.dump(),
                                  "application/json"));
    }
    EXPECT_TRUE(becomes_idle());
    EXPECT_LT(metric("generated_tokens_total") - before, 16 * 2000);
  }
}

TEST_F(ServerTest, MoreThanCanWaitAreToldToComeAgain) {
  ServerOptions tiny = options();
  tiny.limits.sessions = 1;
  tiny.limits.queue = 1;
  start(tiny);
  std::vector<std::future<int>> statuses;
  for (uint64_t i = 0; i < 24; ++i)
    statuses.push_back(std::async(std::launch::async, [this, i] {
      json request = chat_about("질문", i, 1);
      request["max_tokens"] = 60;
      const auto result = post("/v1/chat/completions", request.dump());
      if (result->status == 429) {
        EXPECT_EQ(result->get_header_value("Retry-After"), "1");
      }
      return result->status;
    }));
  int refused = 0;
  for (auto& status : statuses) {
    const int code = status.get();
    EXPECT_TRUE(code == 200 || code == 429) << code;
    refused += code == 429;
  }
  EXPECT_GT(refused, 0);
  // And afterwards all is as before.
  EXPECT_EQ(
      ask("/v1/chat/completions",
          chat_about("수도는?", 7, 1))["choices"][0]["message"]["content"],
      alone(instruct_, "수도는?", true, 7, 1).text);
}

TEST_F(ServerTest, WhatCannotBeServedIsSaidAtOnce) {
  start(options());
  ServerOptions same = options();
  same.port = server_->port();
  const auto said = [&](const std::filesystem::path& model,
                        const ServerOptions& with) {
    return error_of([&] { Server server({model}, with); });
  };
  EXPECT_NE(said(base_, same).find("cannot listen there"), std::string::npos);
  EXPECT_NE(said(dir_ / "none", options()).find("none"), std::string::npos);
}

}  // namespace
}  // namespace seodang
