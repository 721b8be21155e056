/**
 * Fine-tunes transformer language models, and uses them.
 *
 * <p>The packages {@code dev.attune} and {@code dev.attune.server}, which starts a server within an
 * application, are all that is exported; what other backends, the server and the command line need
 * is looked for where they are asked for.
 */
module dev.attune {
  requires ai.djl.tokenizers;
  requires aircompressor;
  requires com.fasterxml.jackson.core;
  requires com.fasterxml.jackson.databind;
  requires com.fasterxml.jackson.dataformat.csv;
  requires hipparchus.core;
  requires java.logging;
  requires java.management;
  requires java.net.http;
  requires jdk.management;
  requires jdk.unsupported;
  requires org.bytedeco.javacpp;
  requires static com.fasterxml.jackson.dataformat.yaml;
  requires static java.sql;
  requires static jdk.httpserver;
  requires static org.apache.commons.cli;
  requires static org.bytedeco.cuda;
  requires static org.bytedeco.openblas;
  requires static org.bytedeco.pytorch;
  requires static org.eclipse.jetty.http;
  requires static org.eclipse.jetty.io;
  requires static org.eclipse.jetty.server;
  requires static org.eclipse.jetty.util;
  requires static org.xerial.sqlitejdbc;

  exports dev.attune;
  exports dev.attune.server;
}
