package dev.attune.server.http;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** What a client is told in place of an answer, in the form of OpenAI's errors. */
public final class ApiException extends RuntimeException {
  private static final long serialVersionUID = 1;
  private static final String INVALID = "invalid_request_error";
  private static final String OVER_QUOTA = "insufficient_quota";

  /** What a client has sent need not come back whole. */
  private static final String LONG_WORD = "(\\S{200})\\S{100,}";

  private final int status;
  private final String type;
  private final String param;
  private final String code;
  private final int retryAfterSeconds; // 0: it is no use

  private ApiException(
      int status,
      String type,
      String param,
      String code,
      String message,
      int retryAfterSeconds,
      Throwable cause) {
    super(String.valueOf(message).replaceAll(LONG_WORD, "$1…"), cause);
    this.status = status;
    this.type = type;
    this.param = param;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  private ApiException(
      int status, String type, String param, String code, String message, Throwable cause) {
    this(status, type, param, code, message, 0, cause);
  }

  /**
   * 400: the request cannot be meant so.
   *
   * @param param the field that is to blame, or null
   */
  public static ApiException badRequest(String param, String message) {
    return new ApiException(400, INVALID, param, "invalid_value", message, null);
  }

  /** 400: a field that this server does not know, or does not do. */
  public static ApiException unsupported(String param, String message) {
    return new ApiException(400, INVALID, param, "unsupported_parameter", message, null);
  }

  /** 400: more tokens than the model's context holds. */
  public static ApiException contextLength(String param, String message) {
    return new ApiException(400, INVALID, param, "context_length_exceeded", message, null);
  }

  /** 401: it is not known who asks. */
  public static ApiException unauthenticated(String message) {
    return new ApiException(401, INVALID, null, "invalid_api_key", message, null);
  }

  /** 403: the key does not allow it. */
  public static ApiException forbidden(String message) {
    return new ApiException(403, INVALID, null, "insufficient_permissions", message, null);
  }

  /** 404, also for what belongs to somebody else: who may not see it does not learn of it. */
  public static ApiException notFound(String param, String message) {
    return new ApiException(404, INVALID, param, "not_found", message, null);
  }

  /** What is no HTTP, or too much of it. */
  static ApiException ofHttp(int status, String message) {
    String type = status >= 500 ? "server_error" : INVALID;
    return new ApiException(status, type, null, null, message, null);
  }

  /** 404: there is no such model. */
  public static ApiException noModel(String id) {
    return new ApiException(
        404, INVALID, "model", "model_not_found", "There is no model '" + id + "'", null);
  }

  /** 405. */
  public static ApiException badMethod(String method, String path, String allowed) {
    return new ApiException(
        405,
        INVALID,
        null,
        "method_not_supported",
        method + " is not for " + path + "; it takes " + allowed,
        null);
  }

  /** 408: the body comes too slowly, or no more. */
  static ApiException tooSlow(String message) {
    return new ApiException(408, INVALID, null, "request_timeout", message, null);
  }

  /** 409: not in the state that it is in. */
  public static ApiException conflict(String message) {
    return new ApiException(409, INVALID, null, "conflict", message, null);
  }

  /** 409 with a code that programs tell it by. */
  public static ApiException conflict(String code, String message) {
    return new ApiException(409, INVALID, null, code, message, null);
  }

  /** 409: what a model is opened with is not what it was made on. */
  public static ApiException baseChanged(String message) {
    return new ApiException(409, INVALID, "model", "base_changed", message, null);
  }

  /** 413. */
  public static ApiException tooLarge(String message) {
    return new ApiException(413, INVALID, null, "request_too_large", message, null);
  }

  /** 415: a body of another type than the request takes. */
  public static ApiException badType(String message) {
    return new ApiException(415, INVALID, null, "unsupported_media_type", message, null);
  }

  /** 429: a bound of the caller's own. */
  public static ApiException overQuota(String message) {
    return new ApiException(429, OVER_QUOTA, null, OVER_QUOTA, message, null);
  }

  /** 429: too much at once; again in a second. */
  public static ApiException busy(String message) {
    return busy(message, 1);
  }

  /** 429: too much at once; again after some time. */
  public static ApiException busy(String message, int retryAfterSeconds) {
    return new ApiException(
        429, "rate_limit_exceeded", null, "rate_limit_exceeded", message, retryAfterSeconds, null);
  }

  /** 503: the server has too much to do; again in a second. */
  static ApiException overloaded(String message) {
    return new ApiException(503, "server_error", null, "overloaded", message, 1, null);
  }

  /** 503: not now. */
  public static ApiException unavailable(String message, Throwable cause) {
    return new ApiException(503, "server_error", null, "unavailable", message, cause);
  }

  /** 507: no room on the disk. */
  public static ApiException noRoom(String message, Throwable cause) {
    return new ApiException(507, "server_error", null, "insufficient_storage", message, cause);
  }

  /** 500: an error of the server's own, of which the log has the cause. */
  static ApiException internal(String requestId, Throwable cause) {
    return new ApiException(
        500,
        "server_error",
        null,
        null,
        "The server had an error while it worked on this request. Its log has the cause under "
            + requestId,
        cause);
  }

  /** The HTTP status. */
  public int status() {
    return status;
  }

  /** After how many seconds the client may try again; 0: that would be no use. */
  int retryAfterSeconds() {
    return retryAfterSeconds;
  }

  /** By which programs tell it; null: by its status alone. */
  public String code() {
    return code;
  }

  /** Whether it is {@link #overQuota}. */
  public boolean isOverQuota() {
    return OVER_QUOTA.equals(code);
  }

  /** The field that is to blame; null: none. */
  public String param() {
    return param;
  }

  /** The body: {@code {"error": {"message", "type", "param", "code"}}}. */
  public ObjectNode toJson() {
    ObjectNode body = JsonNodeFactory.instance.objectNode();
    ObjectNode error = body.putObject("error");
    error.put("message", getMessage());
    error.put("type", type);
    error.put("param", param);
    error.put("code", code);
    return body;
  }
}
