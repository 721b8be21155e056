package dev.attune;

/** The device or the native kernels failed: no fault of the caller's. */
public final class DeviceException extends AttuneException {
  private static final long serialVersionUID = 1L;

  DeviceException(String message, Throwable cause) {
    super(message, cause);
  }
}
