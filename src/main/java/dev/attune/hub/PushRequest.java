package dev.attune.hub;

import java.util.List;
import java.util.function.Predicate;

/**
 * What is to be pushed, and where to.
 *
 * @param repository {@code ORG/NAME}
 * @param revision a branch, which is made where there is none; null: main
 * @param files all that the model has
 * @param isReplaced which names of files are a model's: those that the hub has and the model has
 *     not are removed
 * @param isPrivate whether only its owners may see the repository
 * @param message of the commit
 * @param asPullRequest whether to propose the commit only
 */
public record PushRequest(
    String repository,
    String revision,
    List<PushFile> files,
    Predicate<String> isReplaced,
    boolean isPrivate,
    String message,
    boolean asPullRequest) {}
