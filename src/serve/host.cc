#include "serve/host.h"

namespace seodang {

std::string host_name(std::string_view host) {
  return std::string(host.starts_with('[') ? host.substr(1, host.find(']') - 1)
                                           : host.substr(0, host.find(':')));
}

bool is_loopback(std::string_view host_name) {
  // A name may begin with 127, too.
  return host_name == "localhost" || host_name == "::1" ||
         (host_name.starts_with("127.") &&
          host_name.find_first_not_of("0123456789.") == host_name.npos);
}

}  // namespace seodang
