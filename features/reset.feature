@reads
Feature: Restarting the module, and knowing what runs then

  Scenario: Into programming mode through the lines
    Given a healthy XT-ZB2 with EN on RTS and BOOT on DTR
    When I restart the module into programming mode
    Then the flasher succeeds
    And the boot ROM is said to wait
    When I ask the module what it is
    Then the flasher succeeds

  Scenario: Into programming mode by command, where BOOT is held high
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    When I restart the module into programming mode
    Then the boot ROM is said to wait
    And the flash is as it was

  Scenario: A RAM loader that runs is left for programming mode
    Given a healthy XT-ZB2 whose RAM loader is already running
    When I restart the module into programming mode
    Then the boot ROM is said to wait

  Scenario: Into the firmware through the lines
    Given a healthy XT-ZB2 with EN on RTS and BOOT on DTR
    And its flash holds the stock firmware
    When I restart the module into its firmware
    Then the flasher succeeds
    And the firmware is said to speak

  Scenario: Into the firmware by command, though BOOT is held high
    Given a healthy XT-ZB2 in programming mode
    And its flash holds the stock firmware
    When I restart the module into its firmware
    Then the flasher gives up with exit status 1
    And it says "in programming mode again"
    And it advises "take it off 3.3 V"

  Scenario: An empty flash runs nothing
    Given a healthy XT-ZB2 with EN on RTS and BOOT on DTR
    And its flash is empty
    When I restart the module into its firmware
    Then nothing is said to be heard
