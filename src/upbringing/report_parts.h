// The parts of the report's page: web/report/report.{html,css,js}, built in.
#pragma once

namespace seodang {

// Has the places {{title}}, {{style}}, {{data}} and {{script}}, once each.
extern const char* const kReportHtml;
extern const char* const kReportCss;
extern const char* const kReportScript;

}  // namespace seodang
