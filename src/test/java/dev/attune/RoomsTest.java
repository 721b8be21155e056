package dev.attune;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import com.tngtech.archunit.library.dependencies.SliceRule;
import dev.attune.kernels.Backend;
import dev.attune.kernels.Call;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * The house's floor plan: a room imports only rooms named before it, and inside a room too classes
 * build on each other in one direction.
 */
class RoomsTest {
  private static final List<String> ROOMS =
      List.of(
          "core",
          "storage",
          "jinja",
          "text",
          "data",
          "memory",
          "batch",
          "kernels",
          "tape",
          "store",
          "ops",
          "model",
          "optim",
          "weights",
          "hub",
          "metrics",
          "folder",
          "task",
          "checkpoint",
          "generate",
          "train",
          "track",
          "run",
          "bench",
          "server",
          "cli");

  /**
   * A reference that closes a circle and may.
   *
   * @param from a class below {@code dev.attune}
   * @param to a class that depends on it
   * @param reason why the two are better read so
   */
  private record BackReference(String from, String to, String reason) {}

  private static final List<BackReference> BACK_REFERENCES =
      List.of(
          new BackReference(
              "kernels.Call", "kernels.Frame", "a call is asked to fill the frame that takes it"),
          new BackReference(
              "kernels.cuda.CudaRecorder",
              "kernels.cuda.CudaBackend",
              "graphs are recorded of the backend's own calls"),
          new BackReference(
              "kernels.cuda.PinnedResults",
              "kernels.cuda.CudaBackend",
              "results wait for the backend's work, and fail as it does"),
          new BackReference(
              "tape.Node", "tape.Tape", "an op that a tape holds is called back with the tape"),
          new BackReference(
              "store.Parameter",
              "store.Parameters",
              "a parameter is a range of the store that holds it, and asks it where it lies"),
          new BackReference(
              "store.FrozenWeights", "store.Parameters", "the store's way to hand out values"),
          new BackReference(
              "store.QuantizedWeight", "store.Parameters", "the store's way to hand out values"),
          new BackReference(
              "store.Decompositions", "store.Parameters", "factors follow the store's version"),
          new BackReference("task.Task", "task.TaskType", "a task says which type made it"),
          new BackReference("task.Calibration", "task.Task", "what is calibrated is a task again"),
          new BackReference(
              "task.LabelThresholds", "task.MultiLabelClassification", "its usual threshold"),
          new BackReference(
              "task.LabelWeights", "task.MultiLabelClassification", "its reading of labels"),
          new BackReference("Faults", "Trainer", "messages name the methods of the builders"),
          new BackReference(
              "Faults", "TrainingOptions", "messages name the methods of the builders"),
          new BackReference("Faults", "ModelOptions", "messages name the methods of the builders"),
          new BackReference(
              "Faults", "QuestionAnswerer", "messages name the methods of the builders"),
          new BackReference("Faults", "Generator", "messages name the methods of the builders"));

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("dev.attune");

  @Test
  void aRoomImportsOnlyRoomsBelowIt() {
    for (int room = 0; room < ROOMS.size(); room++) {
      String[] above =
          ROOMS.subList(room + 1, ROOMS.size()).stream()
              .map(name -> "dev.attune." + name + "..")
              .toArray(String[]::new);
      if (above.length > 0) {
        noClasses()
            .that()
            .resideInAPackage("dev.attune." + ROOMS.get(room) + "..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(above)
            .check(CLASSES);
      }
    }
  }

  /** So that in a pass of several jobs each op does for the rows of each what it does alone. */
  @Test
  void opsRunTheirKernelsThroughTheTape() {
    noClasses()
        .that()
        .resideInAPackage("dev.attune.ops..")
        .should()
        .callMethod(Backend.class, "run", Call.class)
        .check(CLASSES);
  }

  @Test
  void classesDoNotDependOnEachOtherInCircles() {
    SliceRule rule = slices().assignedFrom(topLevelClasses()).should().beFreeOfCycles();
    for (BackReference known : BACK_REFERENCES) {
      rule = rule.ignoreDependency(topLevel(known.from()), topLevel(known.to()));
    }
    rule.check(CLASSES);
  }

  /** A slice is a top-level class with all that is nested in it. */
  private static SliceAssignment topLevelClasses() {
    return new SliceAssignment() {
      @Override
      public SliceIdentifier getIdentifierOf(JavaClass javaClass) {
        return SliceIdentifier.of(topLevelName(javaClass));
      }

      @Override
      public String getDescription() {
        return "top-level classes";
      }
    };
  }

  private static DescribedPredicate<JavaClass> topLevel(String name) {
    return describe(
        "belongs to " + name, javaClass -> topLevelName(javaClass).equals("dev.attune." + name));
  }

  private static String topLevelName(JavaClass javaClass) {
    return javaClass.getName().replaceFirst("\\$.*", "");
  }

  @Test
  void thePublicPackageStandsAboveRunAndBelowTheFaces() {
    noClasses()
        .that()
        .resideInAPackage("dev.attune.(**)")
        .and()
        .resideOutsideOfPackage("dev.attune.cli..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("dev.attune")
        .check(CLASSES);
    noClasses()
        .that()
        .resideInAPackage("dev.attune")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("dev.attune.cli..", "dev.attune.bench..")
        .check(CLASSES);
  }

  @Test
  void theDataWingAndTheComputeWingMeetOnlyInTraining() {
    noClasses()
        .that()
        .resideInAnyPackage(
            "dev.attune.kernels..",
            "dev.attune.tape..",
            "dev.attune.store..",
            "dev.attune.ops..",
            "dev.attune.model..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            "dev.attune.jinja..", "dev.attune.text..", "dev.attune.data..", "dev.attune.batch..")
        .check(CLASSES);
  }

  @Test
  void onlyKernelPackagesDeclareNatives() {
    com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noMethods()
        .that()
        .areDeclaredInClassesThat()
        .resideOutsideOfPackage("dev.attune.kernels..")
        .should()
        .haveModifier(com.tngtech.archunit.core.domain.JavaModifier.NATIVE)
        .check(CLASSES);
  }
}
