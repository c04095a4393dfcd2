// A batch that several processes learn from together, each from a part.
#pragma once

#include "data/batch.h"

namespace seodang {

// `out` becomes share `index` of `count`: whole sequences that lie one behind
// another, pairs together, ending where about as many tokens are in each share.
// A share may be empty, and holds at most
// batch_share_room(tokens, longest sequence, count) tokens.
void take_share(const Batch& batch, int index, int count, Batch& out);

int64_t batch_share_room(int64_t tokens, int64_t longest, int count);
// Of one that comes out even.
int64_t even_batch_share(int64_t tokens, int count);

}  // namespace seodang
