package dev.attune.server.jobs;

/** The files of a base are not those that a job was validated with. */
final class OtherBaseException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /**
   * @param was its content when the job was validated
   */
  OtherBaseException(String model, String was, String is) {
    super(
        "the files of '"
            + model
            + "' are not those that the job was made for: their content was "
            + was
            + " and is "
            + is
            + ". Whoever runs this server can put the former ones back; or cancel the job, and"
            + " make a new one on what is there now");
  }
}
