package dev.attune.model;

/**
 * What makes the first rows.
 *
 * @param width E of the tables; C unless a product brings them to it
 * @param projection that product
 * @param positions rows of the table of positions; 0: there is none
 * @param positionOffset row of that table of a sequence's first token
 * @param types rows of the table of token types; 0: there is none
 * @param tasks rows of the table of tasks, of which every token gets the first; 0: there is none
 * @param isNormalized whether a norm follows
 * @param dropout at the end
 */
public record Embeddings(
    int width,
    Projection projection,
    int positions,
    int positionOffset,
    int types,
    int tasks,
    boolean isNormalized,
    float dropout) {
  /** The product that brings the width of the embeddings to that of the model. */
  public enum Projection {
    NONE,
    /** At the end, with a bias. */
    LAST,
    /** Before the norm, without a bias. */
    BEFORE_NORM
  }

  /** Word embeddings alone. */
  public static Embeddings ofWidth(int width) {
    return new Embeddings(width, Projection.NONE, 0, 0, 0, 0, false, 0f);
  }

  /** With a product to the model's width behind them. */
  public Embeddings projected() {
    return projected(Projection.LAST);
  }

  /** With a product to the model's width. */
  public Embeddings projected(Projection place) {
    return new Embeddings(
        width, place, positions, positionOffset, types, tasks, isNormalized, dropout);
  }

  boolean isProjected() {
    return projection != Projection.NONE;
  }

  /** With a table of learned positions, whose row {@code offset} is that of a first token. */
  public Embeddings positions(int rows, int offset) {
    return new Embeddings(width, projection, rows, offset, types, tasks, isNormalized, dropout);
  }

  /** With a table of token types. */
  public Embeddings types(int rows) {
    return new Embeddings(
        width, projection, positions, positionOffset, rows, tasks, isNormalized, dropout);
  }

  /** With a table of tasks. */
  public Embeddings tasks(int rows) {
    return new Embeddings(
        width, projection, positions, positionOffset, types, rows, isNormalized, dropout);
  }

  /** With a norm. */
  public Embeddings normalized() {
    return new Embeddings(
        width, projection, positions, positionOffset, types, tasks, true, dropout);
  }

  /** With dropout behind all that. */
  public Embeddings dropout(float probability) {
    return new Embeddings(
        width, projection, positions, positionOffset, types, tasks, isNormalized, probability);
  }
}
