// The page of the server, built into the library: web/page/dist/index.html.
#pragma once

namespace seodang {

extern const char* const kPageHtml;

}  // namespace seodang
