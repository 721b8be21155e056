package dev.attune.server.files;

import dev.attune.server.http.ApiException;

/** What a file is for, in OpenAI's words. */
final class Purpose {
  static final String FINE_TUNE = "fine-tune";

  private Purpose() {}

  /**
   * The purpose of an upload.
   *
   * @throws ApiException if this server has no use for such files
   */
  static String ofUpload(String purpose) {
    if (purpose == null) {
      throw ApiException.badRequest(
          "purpose", "'purpose' is missing; it is fine-tune or user_data");
    }
    return switch (purpose) {
      case FINE_TUNE, "user_data" -> purpose;
      case "fine-tune-results" -> throw wrong(purpose, "such files are made by jobs");
      case "batch" -> throw wrong(purpose, "this server has no batches");
      case "assistants", "vision" -> throw wrong(purpose, "this server has no assistants");
      case "evals" -> throw wrong(purpose, "this server has no evals");
      default -> throw wrong(purpose, "there is no such purpose");
    };
  }

  private static ApiException wrong(String purpose, String reason) {
    return ApiException.badRequest(
        "purpose",
        "'purpose' is '" + purpose + "': " + reason + "; it may be fine-tune or user_data");
  }
}
