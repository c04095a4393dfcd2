// Whose address a host is.
#pragma once

#include <string>
#include <string_view>

namespace seodang {

// Without its port: "localhost:8080" → "localhost", "[::1]:8080" → "::1".
std::string host_name(std::string_view host);

// Whether only this machine reaches what listens there.
bool is_loopback(std::string_view host_name);

}  // namespace seodang
