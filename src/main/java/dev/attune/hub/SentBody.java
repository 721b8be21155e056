package dev.attune.hub;

import java.net.http.HttpRequest;
import java.nio.ByteBuffer;
import java.util.concurrent.Flow;

/** A body on its way out, which knows when the connection last took a piece of it. */
final class SentBody implements HttpRequest.BodyPublisher {
  private final HttpRequest.BodyPublisher content;
  private volatile long lastNanos = System.nanoTime();
  private volatile boolean sent;

  SentBody(HttpRequest.BodyPublisher content) {
    this.content = content;
  }

  /** Whether all of it has been handed to the connection. */
  boolean isSent() {
    return sent;
  }

  long secondsOfSilence() {
    return (System.nanoTime() - lastNanos) / 1_000_000_000L;
  }

  @Override
  public long contentLength() {
    return content.contentLength();
  }

  @Override
  public void subscribe(Flow.Subscriber<? super ByteBuffer> subscriber) {
    content.subscribe(
        new Flow.Subscriber<>() {
          @Override
          public void onSubscribe(Flow.Subscription subscription) {
            subscriber.onSubscribe(subscription);
          }

          @Override
          public void onNext(ByteBuffer piece) {
            lastNanos = System.nanoTime();
            subscriber.onNext(piece);
          }

          @Override
          public void onError(Throwable failure) {
            subscriber.onError(failure);
          }

          @Override
          public void onComplete() {
            lastNanos = System.nanoTime();
            sent = true;
            subscriber.onComplete();
          }
        });
  }
}
