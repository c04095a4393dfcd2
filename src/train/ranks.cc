#include "train/ranks.h"

#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "base/cores.h"
#include "base/error.h"
#include "base/interrupt.h"

namespace seodang {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;

int from_variable(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

// Set once MPI is initialized, which then ends the job itself where a call
// fails (MPI_ERRORS_ARE_FATAL), and once this process is about to end it.
bool initialized = false;
std::atomic<bool> aborting{false};
std::atomic<bool> ending_together{false};

using Requests = std::vector<MPI_Request>;

MPI_Datatype type_of(Dtype dtype) {
  return dtype == Dtype::f32 ? MPI_FLOAT : MPI_UINT16_T;
}

}  // namespace

Launch Launch::from_environment() {
  Launch launch;
  // Open MPI's mpirun; PMIx, through which srun and mpirun start Open MPI.
  launch.size = from_variable("OMPI_COMM_WORLD_SIZE", 1);
  launch.rank = from_variable("OMPI_COMM_WORLD_RANK", 0);
  launch.local_size = from_variable("OMPI_COMM_WORLD_LOCAL_SIZE", 1);
  if (std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr) return launch;
  const int tasks = from_variable("SLURM_STEP_NUM_TASKS", 1);
  if (tasks == 1) return launch;
  if (std::getenv("PMIX_RANK") == nullptr) {
    launch.apart = tasks;
    return launch;
  }
  launch.size = tasks;
  // "2(x3)": on three nodes.
  launch.local_size = from_variable("SLURM_STEP_TASKS_PER_NODE", 1);
  launch.rank = from_variable("PMIX_RANK", 0);
  return launch;
}

int cores_of_rank(const Launch& launch) {
  const int cores = usable_cores();
  return is_bound() ? cores
                    : std::max(1, cores / std::max(1, launch.local_size));
}

// The thread that calls MPI, and no other does while it lives.
class Ranks::Worker {
 public:
  // Whether this rank prints the notice of termination, and which process it
  // leaves it to while that is alive (0: to none).
  struct Notice {
    bool prints = false;
    pid_t unless_alive = 0;
  };
  explicit Worker(Notice notice)
      : notice_(notice), thread_([this] { work(); }) {}
  ~Worker() {
    add({});
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Jobs are done in the order in which they come; an empty one is the last.
  void add(std::function<void()> job) {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    changed_.notify_all();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return jobs_.empty(); });
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  // Parts of a job. A message begins to be sent to a rank, or received from it.
  void send(Tensor numbers, int rank, Requests& requests) {
    post(numbers, rank, requests, MPI_Isend);
    bytes_sent_ += static_cast<int64_t>(bytes_of(numbers.dtype, numbers.cols));
  }
  void receive(Tensor numbers, int rank, Requests& requests) {
    post(numbers, rank, requests, MPI_Irecv);
  }

  // Waits for what has begun. Gives up the core meanwhile, since somebody
  // computes on it. What takes long is looked after less often; buffers of the
  // network hold what comes.
  void finish(std::span<MPI_Request> requests) {
    constexpr microseconds kMost{400};
    for (microseconds pause{10};; pause = std::min(2 * pause, kMost)) {
      int done = 0;
      MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done,
                  MPI_STATUSES_IGNORE);
      if (done != 0) return;
      while (aborting) std::this_thread::sleep_for(kNoticeAfter);
      std::this_thread::sleep_for(pause);
      print_notice();
    }
  }

  void set_termination_notice(std::function<std::string()> text) {
    const std::lock_guard lock(mutex_);
    notice_text_ = std::move(text);
  }

  int64_t bytes_sent() const { return bytes_sent_; }

 private:
  // In pieces that MPI can count.
  template <class Begin>
  static void post(Tensor numbers, int rank, Requests& requests,
                   Begin&& begin) {
    constexpr int64_t kMost = int64_t{1} << 28;
    constexpr int kTag = 0;
    for (int64_t at = 0; at < numbers.cols; at += kMost) {
      const int64_t left = numbers.cols - at;
      const Tensor piece = numbers.cols_from(at, left < kMost ? left : kMost);
      begin(piece.data, static_cast<int>(piece.cols), type_of(piece.dtype),
            rank, kTag, MPI_COMM_WORLD, &requests.emplace_back());
    }
  }

  // mpirun kills a second after it has asked.
  static constexpr milliseconds kNoticeAfter{400};

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      while (!changed_.wait_for(lock, kNoticeAfter / 4,
                                [&] { return !jobs_.empty(); })) {
        lock.unlock();
        print_notice();
        lock.lock();
      }
      const std::function<void()>& job = jobs_.front();
      lock.unlock();
      if (!job) return;
      std::exception_ptr failure;
      try {
        job();
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      if (failure) failure_ = failure;
      jobs_.pop_front();
      changed_.notify_all();
    }
  }

  void print_notice() {
    if (!notice_.prints || InterruptGuard::signal() != SIGTERM || aborting ||
        ending_together)
      return;
    const auto now = Clock::now();
    if (asked_ == Clock::time_point()) asked_ = now;
    if (now - asked_ < kNoticeAfter) return;
    if (notice_.unless_alive != 0 && ::kill(notice_.unless_alive, 0) == 0)
      return;
    const std::lock_guard lock(mutex_);
    if (notice_text_) fmt::print(stderr, "{}\n", notice_text_());
    notice_.prints = false;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::exception_ptr failure_;  // of a job, for who waits
  std::function<std::string()> notice_text_;
  Notice notice_;
  int64_t bytes_sent_ = 0;
  Clock::time_point asked_;
  std::thread thread_;
};

Ranks::Ranks() {
  const Launch launch = Launch::from_environment();
  if (launch.size == 1) return;
  // Over one TCP connection what answers one direction waits behind what goes
  // the other (docs/scaling.md).
  ::setenv("OMPI_MCA_btl_tcp_links", "2", 0);
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
  initialized = true;
  if (provided < MPI_THREAD_SERIALIZED)
    throw Error("this MPI takes calls from one thread only");
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  MPI_Comm host = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_,
                      MPI_INFO_NULL, &host);
  MPI_Comm_size(host, &local_size_);
  // The first rank of each host, and its process.
  std::array<int, 2> first = {rank_, static_cast<int>(::getpid())};
  MPI_Bcast(first.data(), 2, MPI_INT, 0, host);
  int rank_on_host = 0;
  MPI_Comm_rank(host, &rank_on_host);
  MPI_Comm_free(&host);
  if (alone()) return;
  Worker::Notice notice{.prints = root()};
  if (first[0] == 0 && rank_on_host == 1) notice = {true, first[1]};
  worker_ = std::make_unique<Worker>(notice);
}

Ranks::~Ranks() = default;

Ranks& Ranks::world() {
  static Ranks ranks;
  return ranks;
}

void Ranks::finalize(int exit_code) {
  if (!initialized) return;
  if (exit_code != 0 && !ending_together) {
    aborting = true;
    // The worker is about to see it.
    std::this_thread::sleep_for(milliseconds(5));
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, exit_code);
  }
  world().worker_.reset();
  MPI_Finalize();
}

void Ranks::end_together() { ending_together = true; }

bool Ranks::ended_together() { return ending_together; }

void Ranks::reduce(std::span<double> values, Reduction reduction) {
  if (alone()) return;
  worker_->add([this, values, reduction] {
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Iallreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()),
                   MPI_DOUBLE, reduction == Reduction::sum ? MPI_SUM : MPI_MAX,
                   MPI_COMM_WORLD, &request);
    worker_->finish({&request, 1});
  });
  wait();
}

double Ranks::broadcast(double value) {
  if (!root()) value = 0;
  sum({&value, 1});
  return value;
}

namespace {

Tensor share(Tensor numbers, const std::vector<int64_t>& bounds, int rank) {
  const auto r = static_cast<size_t>(rank);
  return numbers.cols_from(bounds[r], bounds[r + 1] - bounds[r]);
}

}  // namespace

void Ranks::reduce_scatter(Tensor numbers, const std::vector<int64_t>& bounds) {
  if (alone()) return;
  worker_->add([this, numbers, bounds] {
    const Tensor own = share(numbers, bounds, rank_);
    // While one step's numbers are added, the next step's arrive.
    std::array<Tensor, 2> received;
    std::array<Requests, 2> requests;
    for (size_t i = 0; i < 2 && i + 1 < static_cast<size_t>(size_); ++i)
      received[i] = Tensor(received_[i].at_least(bytes_of(own.dtype, own.cols)),
                           own.dtype, 1, own.cols);
    const auto begin = [&](int step) {
      const int to = neighbour(step), from = neighbour(-step);
      const auto i = static_cast<size_t>((step - 1) % 2);
      requests[i].clear();
      worker_->receive(received[i], from, requests[i]);
      worker_->send(share(numbers, bounds, to), to, requests[i]);
    };
    begin(1);
    for (int step = 1; step < size_; ++step) {
      if (step + 1 < size_) begin(step + 1);
      const auto i = static_cast<size_t>((step - 1) % 2);
      worker_->finish(requests[i]);
      float* sum = own.row<float>(0);
      const float* other = received[i].row<float>(0);
      for (int64_t n = 0; n < own.cols; ++n) sum[n] += other[n];
    }
  });
}

void Ranks::all_gather(Tensor numbers, const std::vector<int64_t>& bounds) {
  if (alone()) return;
  worker_->add([this, numbers, bounds] {
    Requests requests;
    for (int step = 1; step < size_; ++step) {
      const int to = neighbour(step), from = neighbour(-step);
      worker_->receive(share(numbers, bounds, from), from, requests);
      worker_->send(share(numbers, bounds, rank_), to, requests);
    }
    worker_->finish(requests);
  });
}

void Ranks::gather(Tensor numbers, const std::vector<int64_t>& bounds) {
  if (alone()) return;
  worker_->add([this, numbers, bounds] {
    Requests requests;
    if (!root()) worker_->send(share(numbers, bounds, rank_), 0, requests);
    for (int from = 1; root() && from < size_; ++from)
      worker_->receive(share(numbers, bounds, from), from, requests);
    worker_->finish(requests);
  });
}

void Ranks::wait() {
  if (alone()) return;
  const auto begin = Clock::now();
  worker_->wait();
  seconds_waited_ +=
      std::chrono::duration<double>(Clock::now() - begin).count();
}

int64_t Ranks::bytes_sent() const {
  return alone() ? 0 : worker_->bytes_sent();
}

void Ranks::set_termination_notice(std::function<std::string()> text) {
  if (!alone()) worker_->set_termination_notice(std::move(text));
}

}  // namespace seodang
