// Clients that are slow, or send what is no request, or too much of it.
#include "serve/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace seodang {
namespace {

using namespace std::chrono_literals;

class RawClient {
 public:
  explicit RawClient(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address),
                        sizeof address),
              0);
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool send(std::string_view text) const {
    return ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }
  // All until the server closes.
  std::string receive() const {
    std::string out;
    char buffer[4096];
    for (ssize_t n = 0; (n = ::recv(socket_, buffer, sizeof buffer, 0)) > 0;)
      out.append(buffer, static_cast<size_t>(n));
    return out;
  }

 private:
  int socket_;
};

class HttpServerTest : public testing::Test {
 protected:
  void start(const HttpLimits& limits) {
    server_ = std::make_unique<HttpServer>(limits);
    server_->set_error_handler(
        [](const httplib::Request&, httplib::Response& response) {
          if (const auto failure = HttpServer::reading_failure())
            response.status = failure->status();
          response.set_content("failed", "text/plain");
        });
    server_->Get("/", [](const auto&, auto& response) {
      response.set_content("hello", "text/plain");
    });
    server_->Post("/", [](const auto& request, auto& response) {
      response.set_content(std::to_string(request.body.size()), "text/plain");
    });
    server_->Get("/wait", [this](const auto&, auto& response) {
      ++waiting_;
      while (HttpServer::client_is_there() && !go_on_)
        std::this_thread::sleep_for(1ms);
      ++(HttpServer::client_is_there() ? answered_ : left_);
      response.set_content("waited", "text/plain");
    });
    port_ = server_->bind_to_any_port("127.0.0.1");
    server_->set_backlog();
    thread_ = std::thread([this] { server_->listen_after_bind(); });
    while (!server_->is_running()) std::this_thread::sleep_for(1ms);
  }
  ~HttpServerTest() override {
    go_on_ = true;
    if (!server_) return;
    server_->stop();
    thread_.join();
  }

  template <class Condition>
  static bool comes_true(Condition&& condition) {
    for (int i = 0; i < 5000 && !condition(); ++i)
      std::this_thread::sleep_for(1ms);
    return condition();
  }

  int port_ = 0;
  std::atomic<int> waiting_ = 0, answered_ = 0, left_ = 0;
  std::atomic<bool> go_on_ = false;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
};

TEST_F(HttpServerTest, AnswersSeveralRequestsOfOneConnection) {
  start({});
  const RawClient client(port_);
  client.send(
      "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\n"
      "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\nConnection: "
      "close\r\n\r\n");
  const std::string text = client.receive();
  size_t answers = 0;
  for (size_t at = 0; (at = text.find("HTTP/1.1 200", at)) != text.npos; ++at)
    ++answers;
  EXPECT_EQ(answers, 3u) << text;
  EXPECT_NE(text.find("\r\n\r\n3"), text.npos);
}

TEST_F(HttpServerTest, AFloodOfHeadersIsEnded) {
  start({.head_bytes = 4096});
  const RawClient client(port_);
  client.send("GET / HTTP/1.1\r\n");
  for (int i = 0; i < 100000; ++i)
    if (!client.send("X-Header: " + std::string(100, 'x') + "\r\n")) break;
  const std::string text = client.receive();
  EXPECT_TRUE(text.starts_with("HTTP/1.1 431")) << text;
  // Of a body there may be more.
  const RawClient other(port_);
  other.send(
      "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 9000\r\n\r\n" +
      std::string(9000, 'x'));
  EXPECT_NE(other.receive().find("\r\n\r\n9000"), std::string::npos);
}

TEST_F(HttpServerTest, ARequestHasToArriveInTime) {
  start({.read = std::chrono::seconds(1)});
  for (const char* begin :
       {"GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc"}) {
    const RawClient client(port_);
    client.send(begin);
    std::atomic<bool> over = false;
    std::thread trickle([&] {  // each byte comes soon enough by itself
      while (!over && client.send("x")) std::this_thread::sleep_for(100ms);
    });
    const auto start = std::chrono::steady_clock::now();
    const std::string text = client.receive();
    EXPECT_LT(std::chrono::steady_clock::now() - start, 4s);
    EXPECT_TRUE(text.starts_with("HTTP/1.1 408")) << begin << "\n" << text;
    over = true;
    trickle.join();
  }
}

TEST_F(HttpServerTest, MoreConnectionsThanThereMayBeAreRefused) {
  start({.connections = 2});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<RawClient>(port_));
    clients.back()->send("GET /wait HTTP/1.1\r\nConnection: close\r\n\r\n");
    if (i < 2) {
      ASSERT_TRUE(comes_true([&] { return waiting_ == i + 1; }));
    }
  }
  // Two are served, two wait. (The third and fourth are accepted in order.)
  const RawClient one_more(port_);
  one_more.send("GET / HTTP/1.1\r\n\r\n");
  const std::string text = one_more.receive();
  EXPECT_TRUE(text.starts_with("HTTP/1.1 503")) << text;
  EXPECT_NE(text.find("Retry-After"), text.npos);
  go_on_ = true;
  for (const auto& client : clients)
    EXPECT_TRUE(client->receive().starts_with("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, AClientThatLeavesIsNoticed) {
  start({});
  {
    const RawClient client(port_);
    client.send("GET /wait HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(comes_true([&] { return waiting_ == 1; }));
  }
  EXPECT_TRUE(comes_true([&] { return left_ == 1; }));
  EXPECT_EQ(answered_, 0);
}

TEST_F(HttpServerTest, NoiseIsNoRequest) {
  start({.read = std::chrono::seconds(1), .idle = std::chrono::seconds(1)});
  const RawClient client(port_);
  client.send(std::string("\x16\x03\x01\x02\0\x01\0\r\n\r\n", 11));  // TLS
  const std::string text = client.receive();
  EXPECT_TRUE(text.empty() || text.starts_with("HTTP/1.1 400")) << text;
}

}  // namespace
}  // namespace seodang
