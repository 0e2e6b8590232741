#include "tools/download.h"

#include <curl/curl.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <string_view>
#include <utility>

#include "residua/residua.hpp"
#include "tools/report.h"

namespace residua::tool {
namespace {

constexpr long connect_seconds = 30;
constexpr long silent_seconds = 60;  // without a byte a second: given up
constexpr int most_retries = 5;      // in a row that bring nothing

struct Transfer {
  CURL* curl = nullptr;
  PartFile& part;
  const std::string& address;
  const TransferProgress& progress;
  std::uint64_t begin = 0;
  bool started = false;
  std::exception_ptr failure = nullptr;  // of ours, which ended the transfer
};

std::uint64_t begin_of_range(CURL* curl) {
  curl_header* header = nullptr;
  if (curl_easy_header(curl, "Content-Range", 0, CURLH_HEADER, -1, &header) != CURLHE_OK) return 0;
  const std::string_view text = header->value;  // "bytes 1000-4999/5000"
  const std::size_t digits = text.find_first_of("0123456789");
  return digits == std::string_view::npos ? 0 : std::strtoull(text.data() + digits, nullptr, 10);
}

void take(Transfer& transfer, std::string_view bytes) {
  if (!std::exchange(transfer.started, true) && transfer.begin > 0) {
    long code = 0;
    curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &code);
    // 200: the server sends the whole file, whatever it was asked for.
    if (code != 206) {
      transfer.part.start_over();
      transfer.begin = 0;
    } else if (begin_of_range(transfer.curl) != transfer.begin) {
      throw TransferError(transfer.address + ": the server sends another part than the one it was asked for");
    }
  }
  check_limit("file_bytes", transfer.part.size() + bytes.size(), transfer.address + ": bytes");
  transfer.part.write(bytes);
  curl_off_t length = -1;
  curl_easy_getinfo(transfer.curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  transfer.progress(transfer.part.size(),
                    length < 0 ? std::nullopt : std::optional(transfer.begin + static_cast<std::uint64_t>(length)));
}

// Fewer bytes than were given end the transfer.
extern "C" std::size_t take_bytes(char* bytes, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    take(transfer, {bytes, size * count});
    return size * count;
  } catch (...) {
    transfer.failure = std::current_exception();
    return 0;
  }
}

bool may_pass(CURLcode code) {
  return code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
         code == CURLE_OPERATION_TIMEDOUT || code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM;
}

struct Answer {
  CURLcode code = CURLE_OK;
  long status = 0;
  std::string message;
};

// One request. Throws what taking the bytes threw.
Answer request(CURL* curl, const std::string& address, PartFile& part, const TransferProgress& progress) {
  Transfer transfer{.curl = curl, .part = part, .address = address, .progress = progress, .begin = part.size()};
  char message[CURL_ERROR_SIZE]{};
  const std::string agent = std::string("residua/") + version().version;
  const std::string range = std::to_string(transfer.begin) + "-";
  const bool encrypted = address.starts_with("https://");
  curl_easy_reset(curl);
  curl_easy_setopt(curl, CURLOPT_URL, address.c_str());
  curl_easy_setopt(curl, CURLOPT_USERAGENT, agent.c_str());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  // Nobody who was asked in secret may send us on in the open.
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, encrypted ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, connect_seconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, silent_seconds);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  if (transfer.begin > 0) curl_easy_setopt(curl, CURLOPT_RANGE, range.c_str());
  Answer answer;
  answer.code = curl_easy_perform(curl);
  if (transfer.failure) std::rethrow_exception(transfer.failure);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  answer.message = *message != '\0' ? message : curl_easy_strerror(answer.code);
  return answer;
}

}  // namespace

void download(const std::string& address, PartFile& part, const TransferProgress& progress) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(ready == CURLE_OK ? curl_easy_init() : nullptr,
                                                                 &curl_easy_cleanup);
  if (!curl) throw TransferError("libcurl cannot be used: " + std::string(curl_easy_strerror(ready)));
  constexpr long range_not_satisfiable = 416;
  for (int in_vain = 0;;) {
    const std::uint64_t before = part.size();
    const Answer answer = request(curl.get(), address, part, progress);
    if (answer.code == CURLE_OK) return;
    // There is nothing behind what we have: its digest tells whether that is all.
    if (answer.status == range_not_satisfiable && before > 0) return;
    in_vain = part.size() > before ? 0 : in_vain + 1;
    if (!may_pass(answer.code) || in_vain == most_retries)
      throw TransferError(address + ": " +
                          (answer.code == CURLE_HTTP_RETURNED_ERROR
                               ? "the server answers " + std::to_string(answer.status)
                               : printable(answer.message)));
  }
}

}  // namespace residua::tool
