// The real program, started as a user starts it.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace seodang {

struct Outcome {
  int exit_code = -1;  // -1: ended by a signal
  int signal = 0;
  std::string out, err;
};

// How a program is started that is several ranks (train/ranks.h).
struct Mpirun {
  int ranks = 0;       // 0: it is started alone
  bool hosts = false;  // each on one of its own (bench/hosts.sh)
};

// A running `seodang ARGUMENTS`, in a directory, its output going to files.
class Program {
 public:
  // `largest_file` > 0 makes every write beyond so many bytes of a file fail,
  // as on a full disk (setrlimit RLIMIT_FSIZE with SIGXFSZ ignored).
  Program(std::filesystem::path directory, std::vector<std::string> arguments,
          uint64_t largest_file = 0,
          const std::filesystem::path& input = "/dev/null", Mpirun mpirun = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  bool running();
  void send(int signal) const;
  // The ranks' processes, where mpirun has started them.
  std::vector<pid_t> children() const;
  Outcome wait();

 private:
  std::filesystem::path directory_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool done_ = false;
};

Outcome run(const std::filesystem::path& directory,
            std::vector<std::string> arguments, uint64_t largest_file = 0);
Outcome run(const std::filesystem::path& directory, Mpirun mpirun,
            std::vector<std::string> arguments);
// With `input` as its standard input.
Outcome run_on(const std::filesystem::path& directory, std::string_view input,
               std::vector<std::string> arguments);

// Words of a command line, parted by single spaces.
std::vector<std::string> words(std::string_view line);

// Exactly one line on stderr that holds `part`, nothing on stdout.
void expect_complaint(const Outcome& outcome, int exit_code,
                      std::string_view part);

// An empty directory of this test, removed with its contents in the end.
class ScratchTest : public testing::Test {
 protected:
  ScratchTest();
  ~ScratchTest() override;
  void write(const std::string& name, std::string_view text) const;
  std::string read(const std::string& name) const;
  // Names in the directory and below, sorted.
  std::vector<std::string> names() const;

  std::filesystem::path dir_;
};

}  // namespace seodang
