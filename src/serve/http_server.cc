#include "serve/http_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace seodang {
namespace {

using Clock = std::chrono::steady_clock;

// This thread accepts connections, and there are too many of them.
thread_local bool refuses = false;

// Waits for `events`; false when they do not come in time.
bool wait_for(socket_t socket, short events, Clock::time_point until) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    pollfd entry = {socket, events, 0};
    const int ready =
        ::poll(&entry, 1, static_cast<int>(std::max<int64_t>(0, left.count())));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// Reads one request at a time, within its limits.
class Connection : public httplib::Stream {
 public:
  Connection(socket_t socket, const HttpLimits& limits)
      : socket_(socket), limits_(limits) {}

  // Nothing of a next request was read so far.
  bool has_buffered() const { return begin_ < end_; }
  void begin_request() {
    deadline_ = Clock::now() + limits_.read;
    head_bytes_ = 0;
    line_bytes_ = 0;
    in_head_ = true;
    failure_ = 0;
  }
  // The HTTP status of what a request was given up for; 0 for none.
  int failure() const { return failure_; }

  bool is_readable() const override {
    return has_buffered() || wait_for(socket_, POLLIN, deadline_);
  }
  bool is_writable() const override {
    return wait_for(socket_, POLLOUT, Clock::now() + limits_.write);
  }

  ssize_t read(char* to, size_t size) override {
    if (!has_buffered()) {
      if (!is_readable()) {
        failure_ = 408;
        return -1;
      }
      const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), 0);
      if (count <= 0) return count;
      begin_ = 0;
      end_ = static_cast<size_t>(count);
    }
    size = std::min(size, end_ - begin_);
    std::copy_n(buffer_.data() + begin_, size, to);
    begin_ += size;
    if (in_head_ && !count_head({to, size})) return -1;
    return static_cast<ssize_t>(size);
  }

  ssize_t write(const char* from, size_t size) override {
    if (!is_writable()) return -1;
    return ::send(socket_, from, size, MSG_NOSIGNAL);
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();  // nobody asks
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  socket_t socket() const override { return socket_; }

 private:
  // An empty line ends the head.
  bool count_head(std::string_view bytes) {
    for (const char byte : bytes) {
      ++head_bytes_;
      if (byte == '\n') {
        if (line_bytes_ == 0) in_head_ = false;
        line_bytes_ = 0;
      } else if (byte != '\r') {
        ++line_bytes_;
      }
    }
    if (in_head_ && head_bytes_ > limits_.head_bytes) failure_ = 431;
    return failure_ == 0;
  }

  const socket_t socket_;
  const HttpLimits& limits_;
  Clock::time_point deadline_;
  std::array<char, 8192> buffer_;
  size_t begin_ = 0, end_ = 0, head_bytes_ = 0, line_bytes_ = 0;
  bool in_head_ = true;
  int failure_ = 0;
};

thread_local Connection* current_connection = nullptr;  // by this thread

// As many threads as connections are served. As many again may wait; further
// ones are refused by the thread that accepts them.
class ConnectionQueue : public httplib::TaskQueue {
 public:
  explicit ConnectionQueue(size_t connections) : most_waiting_(connections) {
    for (size_t i = 0; i < connections; ++i)
      threads_.emplace_back([this] { serve(); });
  }

  void enqueue(std::function<void()> connection) override {
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.size() < most_waiting_) {
        waiting_.push_back(std::move(connection));
        changed_.notify_one();
        return;
      }
    }
    refuses = true;
    connection();
    refuses = false;
  }

  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void serve() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const auto connection = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      connection();
    }
  }

  const size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

// What a connection is refused with before its request is understood.
struct Refusal {
  int status;
  const char *reason, *message;
};
constexpr Refusal kRefusals[] = {
    {408, "Request Timeout", "the request did not come in time"},
    {431, "Request Header Fields Too Large", "the headers are too large"},
    {503, "Service Unavailable", "too many connections"}};

ApiError refusal(int status) {
  const auto* found = std::ranges::find(kRefusals, status, &Refusal::status);
  return {status, found->message};
}

}  // namespace

HttpServer::HttpServer(const HttpLimits& limits) : limits_(limits) {
  new_task_queue = [count = limits.connections] {
    return new ConnectionQueue(count);
  };
  // Not SO_REUSEPORT, with which two servers would share a port.
  set_socket_options([](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  set_tcp_nodelay(true);  // tokens are sent as they come
}

void HttpServer::set_backlog() {
  ::listen(svr_sock_, static_cast<int>(limits_.connections));
}

bool HttpServer::client_is_there() {
  if (current_connection == nullptr) return true;
  char byte = 0;
  const ssize_t count =
      ::recv(current_connection->socket(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

std::optional<ApiError> HttpServer::reading_failure() {
  if (current_connection == nullptr || current_connection->failure() == 0)
    return std::nullopt;
  return refusal(current_connection->failure());
}

bool HttpServer::process_and_close_socket(socket_t socket) {
  const auto refuse = [&](int status) {
    const std::string body = refusal(status).body();
    const std::string text = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: "
        "{}\r\nConnection: close\r\n{}\r\n{}",
        status, std::ranges::find(kRefusals, status, &Refusal::status)->reason,
        body.size(), status == 503 ? "Retry-After: 1\r\n" : "", body);
    ::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  };
  if (refuses) {
    refuse(503);
  } else {
    Connection connection(socket, limits_);
    current_connection = &connection;
    const auto is_next_request = [&] {
      constexpr auto kInterval = std::chrono::milliseconds(100);
      const auto until = Clock::now() + limits_.idle;
      while (svr_sock_ != INVALID_SOCKET && Clock::now() < until)
        if (connection.has_buffered() ||
            wait_for(socket, POLLIN, Clock::now() + kInterval))
          return true;
      return false;
    };
    bool is_closed = false;
    while (!is_closed && is_next_request()) {
      connection.begin_request();
      const bool is_answered = process_request(connection, false, is_closed,
                                               [](httplib::Request&) {});
      if (!is_answered && connection.failure() == 408) refuse(408);
      if (!is_answered || connection.failure() != 0) break;
    }
    current_connection = nullptr;
  }
  // What a client still sends would take the answer from it if it met a closed
  // socket.
  ::shutdown(socket, SHUT_WR);
  std::array<char, 8192> rest;
  const auto until =
      Clock::now() + std::chrono::milliseconds(refuses ? 0 : 300);
  constexpr int kMostReads = 128;
  for (int i = 0; i < kMostReads && wait_for(socket, POLLIN, until) &&
                  ::recv(socket, rest.data(), rest.size(), MSG_DONTWAIT) > 0;
       ++i) {
  }
  ::close(socket);
  return true;
}

}  // namespace seodang
