// The story of one upbringing as a single page that needs nothing else.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace seodang {

// The page that shows `report` (web/report/ says how; docs/recipes.md says
// what the object holds). The object stands in the page as
// <script type="application/json" id="report">, where no text of a model or a
// corpus can end the script or become markup.
std::string report_page(const nlohmann::json& report);

}  // namespace seodang
