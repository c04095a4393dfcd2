// Models behind an API: our own server, and servers that misbehave.
#include "serve/remote_model.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/files.h"
#include "error_of.h"
#include "generate/session.h"
#include "generate/tiny_model.h"
#include "serve/server.h"

namespace seodang {
namespace {

using nlohmann::json;

// Our server, with two tiny models, while it lives.
class OurServer {
 public:
  explicit OurServer(const std::string& key = "") {
    const auto dir = scratch_directory();
    ServerOptions options;
    options.port = 0;
    options.api_key = key;
    server_ = std::make_unique<Server>(
        std::vector<std::filesystem::path>{
            write_tiny_model(dir / "base", false, 1),
            write_tiny_model(dir / "instruct", true, 2)},
        options);
    thread_ = std::thread([this] { server_->run(); });
  }
  ~OurServer() {
    server_->stop();
    thread_.join();
  }
  std::string at(const std::string& model) const {
    return fmt::format("http://127.0.0.1:{}/v1#{}", server_->port(), model);
  }

 private:
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

// One that answers as `handler` says.
class OtherServer {
 public:
  using Handler = std::function<void(const json& body, httplib::Response&)>;
  explicit OtherServer(Handler handler) {
    http_.Post("/v1/chat/completions", [this, handler = std::move(handler)](
                                           const httplib::Request& request,
                                           httplib::Response& response) {
      ++requests;
      key = request.get_header_value("Authorization");
      handler(json::parse(request.body), response);
    });
    port_ = http_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { http_.listen_after_bind(); });
    while (!http_.is_running())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ~OtherServer() {
    http_.stop();
    thread_.join();
  }
  std::string address() const {
    return fmt::format("http://127.0.0.1:{}/v1#m", port_);
  }
  std::atomic<int> requests = 0;
  std::string key;

 private:
  httplib::Server http_;
  int port_ = 0;
  std::thread thread_;
};

const Message kQuestion{"user", "The capital of Korea?"};
const RemoteLimits kHasty = {.tries = 3,
                             .first_pause = 0.01,
                             .connect_seconds = 1,
                             .silence_seconds = 1};

GenerateOptions short_answer() {
  GenerateOptions options;
  options.max_new_tokens = 12;
  return options;
}

TEST(RemoteModel, AnswersAsTheModelDoesHere) {
  const OurServer server;
  for (const bool chat : {false, true}) {
    const char* name = chat ? "instruct" : "base";
    const LanguageModel model = LanguageModel::load(scratch_directory() / name);
    Session session(model.config(), model.weights());
    GenerateOptions options = short_answer();
    options.sampler.temperature = 1;
    options.sampler.seed = 5;
    options.end_tokens = model.end_tokens();
    const auto prompt = chat ? model.encode_chat({&kQuestion, 1})
                             : model.encode_text(kQuestion.content);
    const Generation here =
        generate(session, model.tokenizer(), prompt, options);
    std::string heard;
    const RemoteModel remote(server.at(name));
    const auto hear = [&](std::string_view text) {
      heard += text;
      return true;
    };
    const RemoteAnswer there =
        chat ? remote.chat({&kQuestion, 1}, options, hear)
             : remote.complete(kQuestion.content, options, hear);
    EXPECT_EQ(there.text, here.text);
    EXPECT_EQ(heard, here.text);
    EXPECT_EQ(there.stop, here.stop);
    EXPECT_EQ(there.prompt_tokens, std::ssize(prompt));
    EXPECT_EQ(there.completion_tokens, std::ssize(here.tokens));
  }
}

TEST(RemoteModel, IsServedBesideOthers) {
  const OurServer behind;
  const LanguageModel model = LanguageModel::load(scratch_directory() / "base");
  ServerOptions options;
  options.port = 0;
  Server server({scratch_directory() / "base", behind.at("instruct")}, options);
  std::thread thread([&] { server.run(); });
  const auto at = [&](const std::string& name) {
    return fmt::format("http://127.0.0.1:{}/v1#{}", server.port(), name);
  };
  const GenerateOptions wanted = short_answer();
  const RemoteAnswer direct =
      RemoteModel(behind.at("instruct")).chat({&kQuestion, 1}, wanted);
  const RemoteAnswer relayed =
      RemoteModel(at("instruct")).chat({&kQuestion, 1}, wanted);  // streamed
  EXPECT_EQ(relayed.text, direct.text);
  EXPECT_EQ(relayed.stop, direct.stop);
  EXPECT_EQ(relayed.completion_tokens, direct.completion_tokens);
  httplib::Client client("127.0.0.1", server.port());
  json body = {
      {"model", "instruct"},
      {"messages", {{{"role", "user"}, {"content", kQuestion.content}}}},
      {"temperature", 0},
      {"max_tokens", 12}};
  const auto ask = [&] {
    return client.Post("/v1/chat/completions", body.dump(), "application/json");
  };
  const json whole = json::parse(ask()->body);
  EXPECT_EQ(whole["choices"][0]["message"]["content"], direct.text);
  EXPECT_EQ(whole["usage"]["completion_tokens"], direct.completion_tokens);
  body["logprobs"] = true;
  EXPECT_EQ(ask()->status, 400);
  // Nothing of a message is left out silently.
  body.erase("logprobs");
  body["messages"].push_back(
      {{"role", "tool"}, {"tool_call_id", "1"}, {"content", "a"}});
  EXPECT_EQ(ask()->status, 400);
  const json models = json::parse(client.Get("/v1/models")->body)["data"];
  EXPECT_EQ(models[1]["kind"], "remote");
  EXPECT_EQ(client
                .Post("/tokenize", R"({"model":"instruct","content":"a"})",
                      "application/json")
                ->status,
            400);
  server.stop();
  thread.join();
}

TEST(RemoteModel, WhatTheServerRefusesIsSaidAtOnce) {
  const OurServer server;
  const std::string error = error_of([&] {
    RemoteModel(server.at("nobody")).chat({&kQuestion, 1}, short_answer());
  });
  EXPECT_NE(error.find("404"), std::string::npos) << error;
  EXPECT_NE(error.find("not served here"), std::string::npos) << error;
  GenerateOptions options = short_answer();
  options.sampler.top_k = 5;
  EXPECT_NE(error_of([&] {
              RemoteModel(server.at("base")).complete("a", options);
            }).find("not of OpenAI's API"),
            std::string::npos);
}

TEST(RemoteModel, TheKeyIsOfTheEnvironment) {
  const OurServer server("secret");
  const auto ask = [&] {
    return RemoteModel(server.at("instruct"))
        .chat({&kQuestion, 1}, short_answer());
  };
  ::unsetenv("OPENAI_API_KEY");
  EXPECT_NE(error_of(ask).find("OPENAI_API_KEY"), std::string::npos);
  ::setenv("OPENAI_API_KEY", "secret", 1);
  EXPECT_EQ(error_of(ask), "");
  ::setenv("OPENAI_API_KEY", "wrong", 1);
  const std::string error = error_of(ask);
  EXPECT_NE(error.find("401"), std::string::npos);
  EXPECT_EQ(error.find("wrong:"), std::string::npos);
  ::unsetenv("OPENAI_API_KEY");
}

TEST(RemoteModel, TriesAgainWhenTheServerIsBusy) {
  OtherServer* self = nullptr;
  OtherServer server([&](const json&, httplib::Response& response) {
    if (self->requests < 3) {
      response.status = self->requests == 1 ? 429 : 503;
      response.set_content(R"({"error":{"message":"busy"}})",
                           "application/json");
      return;
    }
    // Not streamed, as some servers do.
    response.set_content(
        R"({"choices":[{"message":{"content":"네."},"finish_reason":"stop"}],)"
        R"("usage":{"prompt_tokens":3,"completion_tokens":2}})",
        "application/json");
  });
  self = &server;
  const RemoteAnswer answer = RemoteModel(server.address(), kHasty)
                                  .chat({&kQuestion, 1}, short_answer());
  EXPECT_EQ(answer.text, "네.");
  EXPECT_EQ(answer.stop, StopReason::eos);
  EXPECT_EQ(answer.completion_tokens, 2);
  EXPECT_EQ(server.requests, 3);
}

TEST(RemoteModel, ALimitThatIsNoneIsNotSent) {
  json asked;
  OtherServer server([&](const json& body, httplib::Response& response) {
    asked = body;
    response.set_content(R"({"choices":[]})", "application/json");
  });
  const RemoteModel model(server.address(), kHasty);
  GenerateOptions options = short_answer();
  options.sampler.seed = static_cast<uint64_t>(-5);
  model.chat({&kQuestion, 1}, options);
  EXPECT_EQ(asked["max_tokens"], 12);
  EXPECT_EQ(asked["seed"], -5);
  options.max_new_tokens = kMostNewTokens;
  model.chat({&kQuestion, 1}, options);
  EXPECT_FALSE(asked.contains("max_tokens"));
}

TEST(RemoteModel, GivesUpInTheEnd) {
  OtherServer busy([](const json&, httplib::Response& response) {
    response.status = 500;
    response.set_content("<html>oops</html>", "text/html");
  });
  const std::string error = error_of([&] {
    RemoteModel(busy.address(), kHasty).chat({&kQuestion, 1}, short_answer());
  });
  EXPECT_EQ(busy.requests, 3);
  EXPECT_NE(error.find("500"), std::string::npos) << error;
  EXPECT_NE(error.find("oops"), std::string::npos) << error;
  // Nobody listens there.
  EXPECT_NE(error_of([&] {
              RemoteModel("http://127.0.0.1:9/v1#m", kHasty)
                  .chat({&kQuestion, 1}, short_answer());
            }).find("no answer"),
            std::string::npos);
}

TEST(RemoteModel, StrangeAnswersAreErrorsOrNothing) {
  std::string body;
  OtherServer server([&](const json&, httplib::Response& response) {
    response.set_content(body, "text/event-stream");
  });
  const auto ask = [&] {
    return RemoteModel(server.address(), kHasty)
        .chat({&kQuestion, 1}, short_answer());
  };
  for (const char* wrong :
       {"data: {not json}\n\n", "data: {\"error\":{\"message\":\"full\"}}\n\n",
        "{\"choices\":[{\"text\":\"a\""}) {
    body = wrong;
    EXPECT_NE(error_of(ask), "") << wrong;
  }
  for (const char* odd :
       {"", "\n\n", ": comment\n\n", "data: [DONE]\n\n", "data: 5\n\n",
        "{\"choices\":7}", "data: {\"choices\":[5]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":7}}]}\n\n",
        "data: {\"usage\":{\"prompt_tokens\":-1}}\n\n"}) {
    body = odd;
    EXPECT_EQ(error_of([&] { EXPECT_EQ(ask().text, ""); }), "") << odd;
  }
  body =
      "data:{\"choices\":[{\"delta\":{\"content\":\"가\"}}]}\r\n\r\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"나\"},"
      "\"finish_reason\":\"length\"}]}\r\n\r\n";
  const RemoteAnswer answer = ask();
  EXPECT_EQ(answer.text, "가나");
  EXPECT_EQ(answer.stop, StopReason::length);
}

TEST(RemoteModel, AddressesThatAreNone) {
  for (const char* address :
       {"http://", "http://a/v1", "http://a/v1#", "https://#m",
        "http://user:password@a/v1#m", "ftp://a/v1#m", "models/base"})
    EXPECT_NE(error_of([&] { RemoteModel{address}; }), "") << address;
  EXPECT_TRUE(is_remote("https://a.b/v1#m"));
  EXPECT_FALSE(is_remote("runs/demo/base"));
}

TEST(Teach, CollectsExamplesAndGoesOn) {
  std::atomic<int> asked = 0;
  OtherServer server([&](const json& body, httplib::Response& response) {
    ++asked;
    const std::string question = body["messages"].back()["content"];
    const bool long_one = question == "길게?";
    response.set_content(
        json{{"choices",
              {{{"message", {{"content", "답: " + question}}},
                {"finish_reason", long_one ? "length" : "stop"}}}},
             {"usage", {{"prompt_tokens", 5}, {"completion_tokens", 7}}}}
            .dump(),
        "application/json");
  });
  const auto dir = scratch_directory();
  write_file(dir / "q.jsonl",
             "{\"instruction\":\"가?\"}\n{\"instruction\":\"나?\",\"input\":"
             "\"정보\"}\n{\"prompt\":\"가?\"}\n\n{\"prompt\":\"길게?\"}\n");
  const std::string command =
      fmt::format("teach '{}' '{}' -o '{}' --json", server.address(),
                  (dir / "q.jsonl").string(), (dir / "e.jsonl").string());
  const ProgramResult first = run_program(command);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const json told = json::parse(first.out);
  EXPECT_EQ(told["questions"], 3);
  EXPECT_EQ(told["kept"], 2);
  EXPECT_EQ(told["cut_off"], 1);
  EXPECT_EQ(told["completion_tokens"], 21);
  EXPECT_EQ(asked, 3);
  const std::string text = read_file(dir / "e.jsonl");
  EXPECT_EQ(std::ranges::count(text, '\n'), 2);
  EXPECT_NE(text.find(R"("output":"답: 가?")"), std::string::npos) << text;
  EXPECT_NE(text.find("정보"), std::string::npos);
  // What is there is not asked again; a torn line is.
  write_file(dir / "e.jsonl", text + "{\"instruction\":\"길");
  const ProgramResult second = run_program(command);
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_EQ(asked, 4);
  EXPECT_EQ(read_file(dir / "e.jsonl"), text);
  // It is what is tuned on.
  EXPECT_EQ(run_program("teach runs/base q.jsonl -o e").exit_code, 2);
}

TEST(Teach, CommandsTakeARemoteModel) {
  const OurServer server;
  const ProgramResult generated = run_program(fmt::format(
      "generate '{}' 'The capital' --max-tokens 5 --json", server.at("base")));
  ASSERT_EQ(generated.exit_code, 0) << generated.err;
  EXPECT_EQ(json::parse(generated.out)["usage"]["completion_tokens"], 5);
  const ProgramResult compared = run_program(fmt::format(
      "compare '{}' '{}' 'The capital' --max-tokens 5 --json",
      server.at("instruct"), (scratch_directory() / "instruct").string()));
  ASSERT_EQ(compared.exit_code, 0) << compared.err;
  const json models = json::parse(compared.out)["models"];
  EXPECT_EQ(models[0]["text"], models[1]["text"]);
  const ProgramResult talked = run_program(
      fmt::format("chat '{}' --max-tokens 5", server.at("instruct")),
      "printf 'The capital\\nJapan\\n' | ");
  ASSERT_EQ(talked.exit_code, 0) << talked.err;
  EXPECT_TRUE(talked.out.starts_with(models[0]["text"].get<std::string>()))
      << talked.out;
  // The same answers are judged the same.
  const std::string suite = (scratch_directory() / "s.jsonl").string();
  write_file(
      suite,
      R"({"id":"a","instruction":"The capital of Korea?","answers":["Seoul"]})"
      "\n");
  const ProgramResult judged = run_program(
      fmt::format("eval '{}' '{}' '{}' --json --records", server.at("instruct"),
                  (scratch_directory() / "instruct").string(), suite));
  ASSERT_EQ(judged.exit_code, 0) << judged.err;
  const json both = json::parse(judged.out)["models"];
  EXPECT_EQ(both[0]["suites"]["s"], both[1]["suites"]["s"]);
  EXPECT_EQ(
      run_program(fmt::format("generate '{}' a --explain", server.at("base")))
          .exit_code,
      2);
}

}  // namespace
}  // namespace seodang
