// A request that another server answers (serve/remote_model.h).
#pragma once

#include <httplib.h>

#include <memory>

#include "serve/remote_model.h"
#include "serve/request.h"
#include "serve/response.h"

namespace seodang {

// Answers at once, or in a stream as the text comes. Throws ApiError for what a
// model behind an API is not asked for (logprobs, n, tools, formats, token
// ids), and when it does not answer.
void proxy(const std::shared_ptr<const RemoteModel>& model,
           const CompletionRequest& request, const ResponseHead& head,
           httplib::Response& response);

}  // namespace seodang
