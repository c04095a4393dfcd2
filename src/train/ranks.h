// The processes that train one model together, each a rank, as mpirun or srun
// started them (MPI 3.1). A process that was started alone is the one rank of
// its job and never initializes MPI. Rank 0, the root, writes files and prints
// progress.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace seodang {

// What the launcher put into the environment; costs nothing.
struct Launch {
  int rank = 0, size = 1;
  int local_size = 1;  // ranks on this machine, if the launcher tells
  // srun started so many tasks that do not know of each other.
  int apart = 1;

  static Launch from_environment();
};

// Cores for each of a launch's ranks on this machine: those that the launcher
// bound this one to, or its share of all.
int cores_of_rank(const Launch& launch);

class Ranks {
 public:
  // Initializes MPI at the first call, if this process was launched by it.
  static Ranks& world();
  // Ends MPI, if it was initialized. A code other than 0 ends the other ranks
  // as well, unless all end_together().
  static void finalize(int exit_code);
  // Says that all ranks are about to end for one reason, which the root prints.
  void end_together();
  static bool ended_together();

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_size() const { return local_size_; }
  bool root() const { return rank_ == 0; }

  // All ranks call these in the same order. They wait without using a core.
  // Each value becomes its sum over ranks, or the largest.
  void sum(std::span<double> values) { reduce(values, Reduction::sum); }
  void max(std::span<double> values) { reduce(values, Reduction::max); }
  double broadcast(double value);

  // These are queued and done one after another in the background; the memory
  // must not be touched before wait(). Rank r's share of `numbers` (one row) is
  // [bounds[r], bounds[r+1]).
  // The rank's share becomes the sum of all ranks' (f32); the rest stays.
  // Pairwise exchange: each rank sends and receives
  // (size - 1) / size of the numbers, and the order of summation is fixed
  // (Thakur et al., "Optimization of collective communication operations in
  // MPICH", 2005, section 3.3).
  void reduce_scatter(Tensor numbers, const std::vector<int64_t>& bounds);
  // Every rank gets the others' shares (f32 or bf16).
  void all_gather(Tensor numbers, const std::vector<int64_t>& bounds);
  // Only the root does.
  void gather(Tensor numbers, const std::vector<int64_t>& bounds);
  void wait();

  // Seconds that wait() has waited, and bytes that this rank has sent.
  double seconds_waited() const { return seconds_waited_; }
  int64_t bytes_sent() const;

  // Printed on stderr by the root, or where it has died by a rank on its host,
  // when SIGTERM comes and the ranks do not end together at once: the launcher
  // may be about to kill them all, since one has died.
  void set_termination_notice(std::function<std::string()> text);

  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

 private:
  Ranks();
  ~Ranks();
  class Worker;
  enum class Reduction : uint8_t { sum, max };
  bool alone() const { return size_ == 1; }
  void reduce(std::span<double> values, Reduction reduction);
  // The rank so many after this one, in a ring.
  int neighbour(int distance) const {
    return (rank_ + distance + size_) % size_;
  }

  int rank_ = 0, size_ = 1, local_size_ = 1;
  double seconds_waited_ = 0;
  std::array<Buffer, 2> received_;  // reduce_scatter()'s
  std::unique_ptr<Worker> worker_;
};

}  // namespace seodang
